/** The coordinator holds little of a value that travels over SFTP, however large it is. */
import assert from "node:assert/strict";
import { address, Place, sshTest } from "./server.ts";

/** How large the value is, and how much the coordinator may grow meanwhile, in bytes. */
const LARGE = 256_000_000;
const GROWTH = 100_000_000;

sshTest("a value of 256 MB goes over SFTP through a coordinator that stays small", async (stack) => {
  const place = new Place(stack);
  // In a process of its own: the memory of this one is that of all tests which run beside.
  const coordinator = new URL("memory_coordinator.ts", import.meta.url).pathname;
  const options = JSON.stringify({ ...address, root: place.root });
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", coordinator, place.state, options, String(LARGE)],
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.match(said, /^\{.*\}\n$/, new TextDecoder().decode(stderr));
  const { before, most } = JSON.parse(said);
  assert(before > 0 && most - before < GROWTH, `it grew from ${before} to ${most} bytes`);
});
