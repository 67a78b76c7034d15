// A message center with npm `smpp`, for tests/interop/test_smsc.py. It speaks as
// tests/support/foreign_smsc.py describes: words on standard input and output.
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");
const smpp = require("smpp");

const settings = words(process.argv.slice(2).join(" "));
const sessions = new Map();
let count = 0;

function words(line) {
  return Object.fromEntries(line.trim().split(/ +/).map((word) => word.split("=")));
}

function say(event, facts = {}) {
  const told = Object.entries(facts).map(([name, value]) => ` ${name}=${value}`);
  console.log(event + told.join(""));
}

function submitted(session, pdu) {
  const id = String(++count);
  const payload = pdu.message_payload;
  const part = payload && payload.message !== undefined ? payload : pdu.short_message;
  const udh = part.udh ? Buffer.concat(part.udh.slice ? [].concat(part.udh) : [part.udh]) : "";
  say("submit", {
    id,
    to: pdu.destination_addr,
    from: pdu.source_addr,
    ton: `${pdu.source_addr_ton}/${pdu.dest_addr_ton}`,
    npi: `${pdu.source_addr_npi}/${pdu.dest_addr_npi}`,
    coding: pdu.data_coding,
    esm: pdu.esm_class,
    registered: pdu.registered_delivery,
    udh: udh ? udh.toString("hex") : "",
    sar: pdu.sar_total_segments ? `${pdu.sar_msg_ref_num}/${pdu.sar_total_segments}/${pdu.sar_segment_seqnum}` : "",
    text: Buffer.from(String(part.message)).toString("hex"),
  });
  setTimeout(() => {
    session.send(pdu.response({ message_id: id }));
    if (settings.receipts === "yes" && pdu.registered_delivery) {
      receiver(session).deliver_sm({
        source_addr: pdu.destination_addr,
        destination_addr: pdu.source_addr,
        esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
        short_message:
          `id:${id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 ` +
          "stat:DELIVRD err:000 text:",
      });
    }
  }, Number(settings.answer_ms || 0));
}

function receiver(session) {
  for (const [other, mode] of sessions) if (mode !== "transmitter") return other;
  return session;
}

const COMMANDS = {
  deliver(session, given) {
    const raw = Buffer.from(given.hex || "", "hex");
    const pdu = {
      source_addr_ton: 1,
      source_addr_npi: 1,
      source_addr: given.from,
      destination_addr: given.to,
      esm_class: Number(given.esm || 0),
      data_coding: Number(given.coding || 0),
    };
    if (given.sar) {
      const [reference, total, number] = given.sar.split("/").map(Number);
      pdu.sar_msg_ref_num = reference;
      pdu.sar_total_segments = total;
      pdu.sar_segment_seqnum = number;
    }
    if (given.command === "data_sm") pdu.message_payload = raw;
    else pdu.short_message = raw;
    session[given.command](pdu, (answer) => say("answer", { status: answer.command_status }));
  },
  lose(session, given) {
    // The answer gets lost on its way, and the connection with it.
    const pdu = { source_addr: given.from, destination_addr: given.to };
    pdu.short_message = Buffer.from(given.hex, "hex");
    session.deliver_sm(pdu, () => session.destroy());
  },
  unbind(session) {
    session.unbind((answer) => say("unbound", { status: answer.command_status }));
  },
  cut(session) {
    session.destroy();
  },
  alert(session, given) {
    session.alert_notification({ source_addr: given.from, esme_addr: given.to });
  },
};

function serve(session) {
  for (const mode of ["transceiver", "transmitter", "receiver"]) {
    session.on(`bind_${mode}`, (pdu) => {
      sessions.set(session, mode);
      say("bind", { mode });
      session.send(pdu.response({ system_id: "npm" }));
    });
  }
  session.on("submit_sm", (pdu) => submitted(session, pdu));
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on("generic_nack", () => say("nack"));
  session.on("error", () => {});
  session.on("close", () => {
    sessions.delete(session);
    say("closed");
  });
}

// With TLS only who has a certificate of the authority gets in.
const read = (name) => settings[name] && fs.readFileSync(settings[name]);
const tls = { key: read("key"), cert: read("cert"), ca: read("ca"), requestCert: true };
const server = smpp.createServer(settings.key ? tls : {}, serve);
server.listen(0, "127.0.0.1", () => say("listening", { port: server.address().port }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, ...rest] = line.split(" ");
  COMMANDS[name](receiver(null), words(rest.join(" ")));
});
process.stdin.on("end", () => process.exit());
