import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { fingerprint, KnownHost, knownName } from "../../../executors/ssh/known_hosts.ts";

/** A key as it is sent: its type, then something. */
function key(type: string, rest: string): Uint8Array {
  const name = new TextEncoder().encode(type);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, name.length);
  return Uint8Array.from([...length, ...name, ...new TextEncoder().encode(rest)]);
}

const text = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
const one = key("ssh-ed25519", "one");
const two = key("ssh-ed25519", "two");
const rsa = key("ssh-rsa", "three");

Deno.test("KnownHost tells keys that are known from changed, revoked and unknown ones", () => {
  const file = `# a comment\n\nworker-1,10.0.0.1 ssh-ed25519 ${text(one)} ada\n@revoked * ssh-ed25519 ${
    text(two)
  }\n`;
  const host = new KnownHost(file, "worker-1", 22);
  assert.equal(host.judge(one), "known");
  assert.equal(host.judge(two), "revoked");
  assert.equal(host.judge(key("ssh-ed25519", "other")), "changed");
  assert.equal(host.judge(rsa), "other-type");
  assert.deepEqual(host.types, ["ssh-ed25519"]);
  assert.equal(new KnownHost(file, "10.0.0.1", 22).judge(one), "known");
  assert.equal(new KnownHost(file, "worker-2", 22).judge(one), "unknown");
  assert.equal(new KnownHost(file, "worker-1", 2222).judge(one), "unknown");
});

Deno.test("KnownHost reads ports, patterns, exceptions and hashed names", () => {
  const file = `[worker]:2222 ssh-ed25519 ${text(one)}\n*.lab,!bad.lab ssh-ed25519 ${text(two)}\n`;
  assert.equal(new KnownHost(file, "worker", 2222).judge(one), "known");
  assert.equal(new KnownHost(file, "worker", 22).judge(one), "unknown");
  assert.equal(new KnownHost(file, "a.lab", 22).judge(two), "known");
  assert.equal(new KnownHost(file, "A.LAB", 22).judge(two), "known");
  assert.equal(new KnownHost(file, "bad.lab", 22).judge(two), "unknown");
  assert.equal(new KnownHost(file, "alab", 22).judge(two), "unknown");
  const salt = new Uint8Array(20).fill(7);
  const hash = createHmac("sha1", salt).update(knownName("worker", 2222)).digest("base64");
  const hashed = `|1|${text(salt)}|${hash} ssh-ed25519 ${text(one)}\n|1|not base64|x ssh-ed25519 ${
    text(two)
  }\n`;
  assert.equal(new KnownHost(hashed, "worker", 2222).judge(one), "known");
  assert.equal(new KnownHost(hashed, "worker", 22).judge(one), "unknown");
});

Deno.test("fingerprint() is that of ssh-keygen", () => {
  const line = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
  const bytes = Uint8Array.from(atob(line), (char) => char.charCodeAt(0));
  assert.equal(fingerprint(bytes), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
});
