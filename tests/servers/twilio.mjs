// Twilio's Messages API, as Prism serves it from the description that Twilio publishes: requests that
// the description does not allow are refused. What came, and what was answered, is at GET /.
// Settings: port, prism (the port of Prism itself), description (the file).
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { createLogger } = require('@stoplight/prism-core');
const { getHttpOperationsFromSpec } = require('@stoplight/prism-http');
const { createServer } = require('@stoplight/prism-http-server');

const settings = JSON.parse(process.argv[2]);
const prism = createServer(await getHttpOperationsFromSpec(settings.description), {
  components: { logger: createLogger('prism') },
  cors: false,
  config: {
    isProxy: false,
    validateRequest: true,
    validateResponse: true,
    checkSecurity: true,
    errors: true,
    mock: { dynamic: false },
  },
});
await prism.listen(settings.prism, '127.0.0.1');

const seen = [];
const front = http.createServer(async (request, answer) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (request.method === 'GET' && request.url === '/') {
    answer.setHeader('content-type', 'application/json');
    return answer.end(JSON.stringify(seen));
  }
  const { method, url, headers } = request;
  const to = { host: '127.0.0.1', port: settings.prism, path: url, method, headers };
  const asked = http.request(to, async (came) => {
    const said = [];
    for await (const chunk of came) said.push(chunk);
    const status = came.statusCode;
    const told = Buffer.concat(said).toString();
    seen.push({ method, url, headers, form: Object.fromEntries(new URLSearchParams(body.toString())), status, told });
    answer.writeHead(status, { 'content-type': came.headers['content-type'] ?? 'text/plain' });
    answer.end(told);
  });
  asked.end(body);
});
front.listen(settings.port, '127.0.0.1');
