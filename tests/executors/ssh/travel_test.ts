/** Values travel to and from a host while its server is killed and started again, and while its connections are cut. */
import assert from "node:assert/strict";
import { CuttingProxy } from "../../kit/cutting_proxy.ts";
import { pause } from "../../kit/waiting.ts";
import { overSsh } from "../places.ts";
import { random, travels } from "../travel.ts";
import { OwnServer } from "./own_server.ts";
import { Place, program, sshTest } from "./server.ts";

sshTest(
  "values over SSH arrive once, whole, and use up no attempt, while the server is killed and started again",
  async (stack) => {
    const server = await OwnServer.start(stack);
    const place = new Place(stack);
    let restarts = 0;
    await travels(overSsh(place, server.options), {}, async (over) => {
      while (!over.aborted) {
        await pause(300 + random() * 1000, over);
        if (over.aborted || restarts === 5) break;
        await server.stop();
        await pause(random() * 500);
        await server.up();
        restarts++;
      }
    });
    assert(restarts > 1, `${restarts} restarts`);
    assert.deepEqual(place.leftovers(), []);
  },
  program === "",
);

sshTest(
  "values over SSH arrive once, whole, and use up no attempt, while connections are cut",
  async (stack) => {
    const server = await OwnServer.start(stack);
    const place = new Place(stack);
    // From the middle of a greeting to the middle of a value.
    const budgets = Array.from({ length: 8 }, () => Math.round(3000 * 1000 ** random()));
    const proxy = stack.use(new CuttingProxy(() => server.port, budgets));
    await travels(overSsh(place, server.at(proxy.port)), {}, async () => {});
    assert(proxy.cuts > 2, `${proxy.cuts} cuts`);
    assert.deepEqual(place.leftovers(), []);
  },
  program === "",
);
