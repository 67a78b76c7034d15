// Writes records with kafkajs: kafkajs_producer.js PACKAGE SETTING BOOTSTRAP TOPIC. SETTING is
// "default", or "documented" for the one of docs/contracts.md. Records come on standard input, a
// line each: key, tab, value.
"use strict";
const [name, setting, bootstrap, topic] = process.argv.slice(2);
process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";
const { Kafka, Partitioners, logLevel } = require(name);

async function main() {
  const text = require("node:fs").readFileSync(0, "utf8");
  const messages = text.split("\n").filter(Boolean).map((line) => {
    const at = line.indexOf("\t");
    return { key: line.slice(0, at), value: line.slice(at + 1) };
  });
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });
  const options =
    setting === "documented" ? { createPartitioner: Partitioners.JavaCompatiblePartitioner } : {};
  const producer = kafka.producer(options);
  await producer.connect();
  await producer.send({ topic, acks: -1, messages });
  await producer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
