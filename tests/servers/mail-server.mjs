// Mail servers of npm's smtp-server that keep what they are given, and a mailbox that is read over HTTP.
// Settings: port (the mailbox), smtp (STARTTLS before a login), smtps (TLS from the start), plain
// (neither), key and cert in PEM. The user is `user@mail.test`, the password `right`.
// By the recipient: reject@ is refused with 550, busy@ with 451, once@ with 451 the first time, and slow@
// waits for 3 s.
import http from 'node:http';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

const settings = JSON.parse(process.argv[2]);
const box = [];
const seen = new Set();
const refuse = (message, responseCode) => Object.assign(new Error(message), { responseCode });

const options = (more) => ({
  key: settings.key,
  cert: settings.cert,
  authMethods: ['PLAIN', 'LOGIN'],
  disableReverseLookup: true,
  onAuth: (auth, _session, done) =>
    auth.username === 'user@mail.test' && auth.password === 'right'
      ? done(null, { user: auth.username })
      : done(refuse('bad credentials', 535)),
  onRcptTo({ address }, _session, done) {
    const who = address.split('@')[0];
    if (who.startsWith('reject')) return done(refuse('no such user', 550));
    if (who.startsWith('busy')) return done(refuse('try later', 451));
    if (who.startsWith('once') && !seen.has(address)) {
      seen.add(address);
      return done(refuse('try later', 451));
    }
    setTimeout(done, who.startsWith('slow') ? 3000 : 0);
  },
  onData(stream, session, done) {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', async () => {
      const raw = Buffer.concat(chunks);
      const { subject, text, html } = await simpleParser(raw);
      box.push({
        to: session.envelope.rcptTo.map(({ address }) => address),
        from: session.envelope.mailFrom.address,
        tls: Boolean(session.secure),
        user: session.user ?? null,
        subject,
        text,
        html: html || null,
        raw: raw.toString('latin1'),
      });
      done();
    });
  },
  ...more,
});

const servers = [
  [settings.smtp, { secure: false }],
  [settings.smtps, { secure: true }],
  [settings.plain, { secure: false, hideSTARTTLS: true, authOptional: true }],
];
for (const [port, more] of servers) {
  const server = new SMTPServer(options(more));
  server.on('error', () => {}); // a client that does not like our certificate
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
}
http
  .createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(box));
  })
  .listen(settings.port, '127.0.0.1');
