// A webhook's receiver with the official JavaScript library: 204 for a verified message, 401 else.
// Prints its port. Ends when its standard input does, so that it never outlives the test.
"use strict";
const http = require("node:http");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const webhook = new Webhook(process.env.SECRET);

function status(body, headers) {
  try {
    webhook.verify(body, headers);
    return 204;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return 401;
    throw error;
  }
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    response.writeHead(status(Buffer.concat(chunks).toString(), request.headers));
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
