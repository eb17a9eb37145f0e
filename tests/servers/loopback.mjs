// Names below localhost are loopback (RFC 6761, section 6.3). Browsers know that; the resolver of a
// bare system does not. Importing this teaches it to everything in this process.
import dns from 'node:dns';

const resolve = dns.lookup;

dns.lookup = (hostname, options, callback) => {
  if (!/(^|\.)localhost$/.test(hostname)) {
    return resolve(hostname, options, callback);
  }
  const done = callback ?? options;
  const all = typeof options === 'object' && options.all;
  return process.nextTick(() => (all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)));
};
