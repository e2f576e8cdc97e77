// mqtt.js against the hub: node mqtt.js URL [TOKEN]. Prints "done".
"use strict";
const mqtt = require("mqtt");
const assert = require("assert");
const url = process.argv[2];

const connect = (o) => mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 60000, username: "node", password: process.argv[3], ...o });

async function talk(protocolVersion) {
  const sub = await connect({ protocolVersion, properties: { topicAliasMaximum: 8 } });
  const pub = await connect({ protocolVersion, autoAssignTopicAlias: protocolVersion === 5 });
  const got = [];
  let more = () => {};
  sub.on("message", (topic, payload, packet) => {
    got.push({ topic, payload: payload.toString("latin1"), qos: packet.qos, retain: packet.retain, p: packet.properties });
    more();
  });
  const next = async () => {
    while (got.length === 0) await new Promise((r) => (more = r));
    return got.shift();
  };
  await sub.subscribeAsync({ "js/+/x": { qos: 2 }, "js/kept": { qos: 1 } });
  for (let i = 0; i < 30; i++) {
    const qos = i % 3;
    await pub.publishAsync(`js/${i % 4}/x`, `{"i":${i}}`, { qos });
    const m = await next();
    assert.deepStrictEqual([m.topic, m.payload, m.qos, m.retain], [`js/${i % 4}/x`, `{"i":${i}}`, qos, false]);
  }
  await pub.publishAsync("js/kept", Buffer.from([0, 255]), { qos: 1, retain: true });
  assert.strictEqual((await next()).payload, "\x00\xff");
  await pub.publishAsync("js/kept", "", { qos: 1, retain: true });
  assert.strictEqual((await next()).payload, "");
  if (protocolVersion === 5) {
    await sub.subscribeAsync("js/re", { qos: 1, properties: { subscriptionIdentifier: 7 } });
    await pub.publishAsync("js/re", "?", { qos: 1, properties: { responseTopic: "a", correlationData: Buffer.from("1"), userProperties: { k: "v" } } });
    const m = await next();
    assert.strictEqual(m.p.responseTopic, "a");
    assert.strictEqual(m.p.userProperties.k, "v");
    assert.strictEqual(m.p.subscriptionIdentifier, 7);
  }
  await sub.endAsync();
  await pub.endAsync();
}

(async () => {
  await talk(4);
  await talk(5);
  console.log("done");
  process.exit(0);
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
