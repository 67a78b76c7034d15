// Writes records with confluent-kafka-go: SETTING BOOTSTRAP TOPIC.
// SETTING is "default", or "documented" for the one of docs/contracts.md. Records come on standard
// input, a line each: key, tab, value.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	if err := produce(os.Args[1] == "documented", os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func produce(documented bool, bootstrap, topic string) error {
	settings := kafka.ConfigMap{"bootstrap.servers": bootstrap}
	if documented {
		settings["partitioner"] = "murmur2_random"
	}
	producer, err := kafka.NewProducer(&settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	lines, delivered := bufio.NewScanner(os.Stdin), make(chan kafka.Event, 10_000)
	count := 0
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		place := kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}
		one := &kafka.Message{TopicPartition: place, Key: []byte(key), Value: []byte(value)}
		if err := producer.Produce(one, delivered); err != nil {
			return err
		}
		count++
	}
	for ; count > 0; count-- {
		if one := (<-delivered).(*kafka.Message); one.TopicPartition.Error != nil {
			return one.TopicPartition.Error
		}
	}
	return nil
}
