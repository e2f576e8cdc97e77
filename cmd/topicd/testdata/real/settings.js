// Node-RED without its editor, its registry and its telemetry.
module.exports = {
  flowFile: process.env.FLOWS,
  userDir: process.env.USERDIR,
  uiHost: "127.0.0.1",
  uiPort: 0,
  httpAdminRoot: false,
  httpNodeRoot: false,
  credentialSecret: false,
  telemetry: {enabled: false, updateNotification: false},
  externalModules: {autoInstall: false, palette: {allowInstall: false}, modules: {allowInstall: false}},
};
