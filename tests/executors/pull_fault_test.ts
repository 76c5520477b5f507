import assert from "node:assert/strict";
import { pullFault } from "../../executors/pull_fault.ts";

const cases: [image: string, message: string, is: ReturnType<typeof pullFault>][] = [
  [
    "team/a:1",
    "pull access denied for team/a, repository does not exist or may require 'docker login'",
    "denied",
  ],
  ["r:5000/a:1", 'Head "https://r:5000/v2/a/manifests/1": no basic auth credentials', "denied"],
  ["r:5000/a:1", "unexpected status from HEAD request: 403 Forbidden", "denied"],
  ["r:5000/a:1", "unexpected status 401", "denied"],
  ["r:5000/a:2", "failed to resolve image: r:5000/a:2: not found", "missing"],
  ["a:2", "manifest for a:2 not found: manifest unknown: manifest unknown", "missing"],
  ["nowhere.test/a:1", "dial tcp: lookup nowhere.test on 127.0.0.53:53: no such host", "unreachable"],
  ["nowhere.test/a:1", "dial tcp: lookup nowhere.test: host not found", "unreachable"],
  ["r:5000/a:1", 'Get "https://r:5000/v2/": context deadline exceeded', "unreachable"],
  // Names in which a fault is written.
  ["127.0.0.1:35401/a:2", "failed to resolve image: 127.0.0.1:35401/a:2: not found", "missing"],
  ["127.0.0.1:401/a:2", "failed to resolve image: 127.0.0.1:401/a:2: not found", "missing"],
  ["r/access-denied:403", "manifest for r/access-denied:403 not found", "missing"],
  [
    "r/forbidden:1",
    'Head "https://r/v2/forbidden/manifests/1": dial tcp 10.0.0.1:443: i/o timeout',
    "unreachable",
  ],
  ["r/lookup:1", "repository r/lookup not found: does not exist", "missing"],
];

for (const [image, message, is] of cases) {
  Deno.test(`pullFault() takes "${message}" of ${image} for ${is}`, () => {
    assert.equal(pullFault(image, message), is);
  });
}
