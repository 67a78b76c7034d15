// Writes records with a Go client: produce CLIENT SETTING BOOTSTRAP TOPIC.
// SETTING is "default", or "documented" for the one of docs/contracts.md. Records come on standard
// input, a line each: key, tab, value.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

type record struct{ key, value string }

func main() {
	clients := map[string]func([]record, bool, string, string) error{
		"sarama": bySarama, "franz-go": byFranz, "kafka-go": byKafkaGo,
	}
	produce, known := clients[os.Args[1]]
	if !known {
		fail(fmt.Errorf("no client %s", os.Args[1]))
	}
	if err := produce(read(), os.Args[2] == "documented", os.Args[3], os.Args[4]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func read() (found []record) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		found = append(found, record{key, value})
	}
	return found
}

func bySarama(records []record, documented bool, bootstrap, topic string) error {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	if documented {
		config.Producer.Partitioner = sarama.NewMurmur2Partitioner
	}
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, one := range records {
		messages[i] = &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(one.key), Value: sarama.StringEncoder(one.value),
		}
	}
	return producer.SendMessages(messages)
}

func byFranz(records []record, _ bool, bootstrap, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	messages := make([]*kgo.Record, len(records))
	for i, one := range records {
		messages[i] = &kgo.Record{Key: []byte(one.key), Value: []byte(one.value)}
	}
	return client.ProduceSync(context.Background(), messages...).FirstErr()
}

func byKafkaGo(records []record, documented bool, bootstrap, topic string) error {
	writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll}
	if documented {
		writer.Balancer = kafka.Murmur2Balancer{}
	}
	defer writer.Close()
	messages := make([]kafka.Message, len(records))
	for i, one := range records {
		messages[i] = kafka.Message{Key: []byte(one.key), Value: []byte(one.value)}
	}
	return writer.WriteMessages(context.Background(), messages...)
}
