import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads a topic as a member of each share group in turn: ShareReader BOOTSTRAP TOPIC LAST GROUP... A
 * record is a line of standard output: group, tab, value. A group ends with the record whose value
 * is LAST. The last line says how the client takes the isolation level of consumers.
 */
public class ShareReader {
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        for (int n = 3; n < arguments.length; n++) {
            settings.put("group.id", arguments[n]);
            read(settings, arguments[n], arguments[1], arguments[2]);
        }
        settings.put("isolation.level", "read_committed");
        try (var consumer = new KafkaShareConsumer<String, String>(settings)) {
            System.out.println("isolation.level\ttaken");
        } catch (ConfigException refusal) {
            System.out.println("isolation.level\trefused");
        }
    }

    private static void read(Properties settings, String group, String topic, String last) {
        try (var consumer = new KafkaShareConsumer<String, String>(settings)) {
            consumer.subscribe(List.of(topic));
            for (boolean isOver = false; !isOver; ) {
                for (var one : consumer.poll(Duration.ofMillis(500))) {
                    System.out.println(group + "\t" + one.value());
                    isOver |= last.equals(one.value());
                }
            }
        }
    }
}
