// A radio for Zigbee2MQTT where there is none: what its driver is asked for at start,
// a thermometer that reports, and a plug that does what it is told. All above it is
// Zigbee2MQTT's own: zigbee-herdsman's controller, converters, extensions, MQTT.
const path = require("node:path");
const dist = path.join(path.dirname(require.resolve("zigbee2mqtt/package.json")), "..", "zigbee-herdsman", "dist");
const {Adapter} = require(path.join(dist, "adapter", "adapter.js"));
const Zcl = require(path.join(dist, "zspec", "zcl"));

const report = [0x18, 1, 0x0a]; // from the device, attributes
const thermometer = 0x1111, plug = 0x2222;

class Radio extends Adapter {
  async start() {
    const s = +process.env.REPORT_MS || 300;
    let tenths = 215;
    this.timer = setInterval(() => this.says(thermometer, 0x0402, [0, 0, 0x29, ...le16(tenths++ * 10)]), s);
    return "resumed";
  }
  async stop() { clearInterval(this.timer); }
  says(address, clusterID, attribute) {
    const data = Buffer.from([...report, ...attribute]);
    this.emit("zclPayload", {clusterID, address, header: Zcl.Header.fromBuffer(data), data, endpoint: 1, linkquality: 99, groupID: 0, wasBroadcast: false, destinationEndpoint: 1});
  }
  async getCoordinatorIEEE() { return "0x00124b0000000001"; }
  async getCoordinatorVersion() { return {type: "none", meta: {revision: 1}}; }
  async getNetworkParameters() { return {panID: 0x1a62, extendedPanID: "0xdddddddddddddddd", channel: 11, nwkUpdateID: 0}; }
  async supportsBackup() { return false; }
  async permitJoin() {}
  async reset() {}
  async addInstallCode() {}
  async sendZdo() { throw new Error("no radio"); }
  async sendZclFrameToGroup() {}
  async sendZclFrameToAll() {}
  async restoreChannelInterPAN() {}
  waitFor() { return {promise: new Promise(() => {}), cancel() {}}; }
  async sendZclFrameToEndpoint(ieeeAddr, address, endpoint, frame) {
    if (address === plug && frame.cluster.name === "genOnOff") {
      setImmediate(() => this.says(plug, 6, [0, 0, 0x10, frame.command.name === "on" ? 1 : 0]));
      const data = Buffer.from([0x18, frame.header.transactionSequenceNumber, 0x0b, frame.command.ID, 0]);
      return {clusterID: 6, address, header: Zcl.Header.fromBuffer(data), data, endpoint, linkquality: 99, groupID: 0, wasBroadcast: false, destinationEndpoint: 1};
    }
    throw new Error("it sleeps");
  }
}
const le16 = (n) => [n & 255, n >> 8];
Adapter.create = async (...options) => new Radio(...options);
