/**
 * An agent in a process of its own, for tests that let it have few files only.
 *
 * @module
 */
import { startAgent } from "../../agent/mod.ts";

const agent = await startAgent({
  folder: Deno.args[0]!,
  options: { idleTimeout: "500ms" },
  notice: () => {},
});
console.log(agent.server.port);
