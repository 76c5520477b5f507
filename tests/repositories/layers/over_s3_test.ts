import { s3Driver } from "../../../repositories/s3/driver.ts";
import { available, BUCKET, client, place } from "../s3/server.ts";
import { testLayersOfBlobs } from "./matrix.ts";

/** A folder of the bucket for each test, a client for each store. */
testLayersOfBlobs({
  name: "s3Driver()",
  async place(stack) {
    const folder = await place(stack, client(stack));
    return (name, stack) => s3Driver(client(stack), { bucket: BUCKET, prefix: `${folder}${name}-` });
  },
  // The SDK watches its connections by timers of its own, which outlive a request that was called off by up to a second.
  test: (name, fn, ignored) =>
    Deno.test({
      name,
      fn,
      ignore: ignored !== undefined || !available,
      sanitizeOps: false,
      sanitizeResources: false,
    }),
});
