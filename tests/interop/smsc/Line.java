// How the message centers here speak: words on standard input and output, as
// tests/support/foreign_smsc.py describes.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.Consumer;

class Line {
  static Map<String, String> words(String line) {
    Map<String, String> found = new HashMap<>();
    for (String word : line.trim().split(" +")) {
      String[] pair = word.split("=", 2);
      if (pair.length == 2) found.put(pair[0], pair[1]);
    }
    return found;
  }

  static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }

  static String hex(byte[] data) {
    return HexFormat.of().formatHex(data);
  }

  static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0)) {
      return free.getLocalPort();
    }
  }

  /** Hands on each line of standard input; the program ends with it. */
  static void obey(Consumer<String> command) throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) command.accept(line);
    System.exit(0);
  }
}
