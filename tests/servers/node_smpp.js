// An SMSC by node-smpp: node node_smpp.js HOST PORT FOLDER. What it does stands in FOLDER/mode.json, which is read anew
// at every event; what it was asked is written to standard output, one JSON object a line. See smpp_node.py.
'use strict';
const fs = require('fs');
const path = require('path');
const smpp = require('smpp');

const [host, port, folder] = process.argv.slice(2);
const sessions = new Set();
let messages = 0;

const mode = () => JSON.parse(fs.readFileSync(path.join(folder, 'mode.json'), 'utf8'));
const say = (event, more) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n');
const alive = (session) => sessions.has(session);

function leave(session, how) {
  if (how === 'unbind') session.unbind();
  if (how === 'drop') session.socket.destroy();
}

function receipt(session, id, submitted, state) {
  const stamp = '2611211200';
  const error = state === 'DELIVRD' ? '000' : '001';
  session.deliver_sm({
    source_addr: submitted.destination_addr,
    destination_addr: submitted.source_addr,
    esm_class: 4,
    short_message:
      `id:${id} sub:001 dlvrd:${state === 'DELIVRD' ? '001' : '000'} submit date:${stamp} done date:${stamp} ` +
      `stat:${state} err:${error} text:`,
    receipted_message_id: id,
    message_state: state === 'DELIVRD' ? 2 : 5,
  });
  say('receipt', { id, state });
}

function bind(session, kind, pdu) {
  const { bind: how, users } = mode();
  say('bind', { kind, system_id: pdu.system_id, system_type: pdu.system_type, how });
  if (how === 'mute') return;
  if (how === 'drop') return session.socket.destroy();
  if (users[pdu.system_id] !== pdu.password) {
    const status = users[pdu.system_id] === undefined ? smpp.ESME_RINVSYSID : smpp.ESME_RINVPASWD;
    return session.send(pdu.response({ command_status: status }));
  }
  if (how === 'refuse') return session.send(pdu.response({ command_status: smpp.ESME_RBINDFAIL }));
  if (how === 'error') return session.send(pdu.response({ command_status: smpp.ESME_RSYSERR }));
  session.send(pdu.response({ system_id: 'node-smpp' }));
  if (how === 'unbind') leave(session, 'unbind');
}

function submit(session, pdu) {
  const now = mode();
  const id = `message-${++messages}`;
  say('submit', {
    id,
    service_type: pdu.service_type,
    source: pdu.source_addr,
    destination: pdu.destination_addr,
    text: String(pdu.short_message.message),
    receipt: pdu.registered_delivery,
    how: now.submit,
  });
  const refusals = {
    throttle: smpp.ESME_RTHROTTLED,
    queue_full: smpp.ESME_RMSGQFUL,
    reject: smpp.ESME_RSUBMITFAIL,
    bad_number: smpp.ESME_RINVDSTADR,
  };
  if (now.submit === 'mute') return;
  if (now.submit === 'unbind' || now.submit === 'drop') return leave(session, now.submit);
  if (refusals[now.submit]) {
    return session.send(pdu.response({ command_status: refusals[now.submit] }));
  }
  const wanted = pdu.registered_delivery & 1;
  if (wanted && now.receipt === 'early') receipt(session, id, pdu, now.state);
  session.send(pdu.response({ message_id: id }));
  if (wanted && (now.receipt === 'soon' || now.receipt === 'late')) {
    setTimeout(() => alive(session) && receipt(session, id, pdu, now.state), now.receipt === 'late' ? now.delay : 20);
  }
}

smpp
  .createServer((session) => {
    sessions.add(session);
    say('connect', {});
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
      session.on(kind, (pdu) => bind(session, kind, pdu));
    }
    session.on('enquire_link', (pdu) => {
      const how = mode().link;
      say('enquire_link', { how });
      if (how === 'mute') return;
      if (how === 'unbind' || how === 'drop') return leave(session, how);
      session.send(pdu.response());
    });
    session.on('submit_sm', (pdu) => submit(session, pdu));
    session.on('unbind', (pdu) => {
      say('unbind', {});
      if (mode().unbind === 'mute') return;
      session.send(pdu.response());
      session.close();
    });
  })
  .listen(Number(port), host);

process.on('SIGUSR2', () => sessions.forEach((session) => leave(session, mode().now)));
