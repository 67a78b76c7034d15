import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes records with Kafka's Java client as it is: UsageProducer BOOTSTRAP TOPIC. Records come on
 * standard input, a line each: key, tab, value.
 */
public class UsageProducer {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        var input = new InputStreamReader(System.in, StandardCharsets.UTF_8);
        try (var producer = new KafkaProducer<String, String>(settings);
                var lines = new BufferedReader(input)) {
            List<Future<?>> sent = new ArrayList<>();
            for (String line; (line = lines.readLine()) != null; ) {
                String[] parts = line.split("\t", 2);
                sent.add(producer.send(new ProducerRecord<>(arguments[1], parts[0], parts[1])));
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
    }
}
