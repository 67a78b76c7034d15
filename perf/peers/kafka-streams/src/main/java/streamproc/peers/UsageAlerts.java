package streamproc.peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The common task of perf/compare: a counter per subscriber in RocksDB with a changelog, a reminder
 * at each of three thresholds. Arguments: bootstrap, application id, input topic, reminder topic,
 * events in the input, guarantee, state directory, properties file.
 */
public final class UsageAlerts {
  static final String STORE = "used";
  static final long[] THRESHOLDS = {5_000_000L, 8_000_000L, 10_000_000L};

  /** The input contract; Jackson fills it. */
  public static final class Usage {
    public String type;
    public String id;
    public String source;
    public String subscriber;
    public String time;
    public long total_bytes;
  }

  /** One output record. */
  public record Reminder(String subscriber, long threshold, long used_bytes) {}

  static final class CountUsage implements Processor<byte[], byte[], byte[], byte[]> {
    private static long seen;
    private final long events;
    private final ObjectReader reader;
    private final ObjectWriter writer;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], Long> store;

    CountUsage(long events) {
      ObjectMapper mapper = new ObjectMapper();
      this.events = events;
      this.reader = mapper.readerFor(Usage.class);
      this.writer = mapper.writerFor(Reminder.class);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (seen == 0) {
        System.out.println("first");
      }
      try {
        Usage usage = reader.readValue(record.value());
        Long stored = store.get(record.key());
        long before = stored == null ? 0 : stored;
        long after = before + usage.total_bytes;
        store.put(record.key(), after);
        for (long threshold : THRESHOLDS) {
          if (before < threshold && threshold <= after) {
            byte[] value =
                writer.writeValueAsBytes(new Reminder(usage.subscriber, threshold, after));
            context.forward(record.withValue(value));
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      if (++seen == events) {
        context.commit(); // only so that the end is not measured a commit interval late
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    String input = arguments[2];
    String output = arguments[3];
    long events = Long.parseLong(arguments[4]);
    Properties settings = new Properties();
    try (var file = Files.newInputStream(Path.of(arguments[7]))) {
      settings.load(file);
    }
    boolean cached = Boolean.parseBoolean((String) settings.remove("peer.cached"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[5]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[6]);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");

    StoreBuilder<KeyValueStore<byte[], Long>> store =
        Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.ByteArray(), Serdes.Long())
            .withLoggingEnabled(Map.of());
    if (cached) {
      store = store.withCachingEnabled();
    }
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(store);
    builder.stream(input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(() -> new CountUsage(events), STORE)
        .to(output, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));

    KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
    CountDownLatch end = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          end.countDown();
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
              .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close();
      end.countDown();
    }));
    streams.start();
    end.await();
  }
}
