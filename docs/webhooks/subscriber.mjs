// A subscriber to Daybook's events: verifies each webhook, and does nothing twice.
//
// npm install standardwebhooks
// WEBHOOK_SECRET=whsec_... node subscriber.mjs

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set(); // in earnest: a table, written in one transaction with what is done

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let event;
  try {
    event = webhook.verify(Buffer.concat(chunks), request.headers);
  } catch {
    return response.writeHead(401).end();
  }
  if (!seen.has(event.id)) {
    handle(event);
    seen.add(event.id);
  }
  response.writeHead(204).end();
}).listen(Number(process.env.PORT ?? 9000), "127.0.0.1");

function handle(event) {
  // Here your own work begins.
  console.log(event.type, event.subject);
}
