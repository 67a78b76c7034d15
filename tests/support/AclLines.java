import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.kafka.tools.AclCommand;

/** Runs Kafka's own kafka-acls for each line of a file, with tab stops between the arguments. */
public final class AclLines {
    public static void main(String[] args) throws Exception {
        List<String> lines = Files.readAllLines(Path.of(args[0]));
        for (String line : lines) {
            AclCommand.main(line.split("\t")); // ends this program if it fails
        }
    }
}
