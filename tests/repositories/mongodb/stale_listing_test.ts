/** A client that reads from servers which lag behind gives a repository no late listings: it asks the one that is written to. */
import assert from "node:assert/strict";
import { MongoClient } from "../../../deps/mongodb.ts";
import { MongoPlace } from "../../../repositories/mongodb/place.ts";

Deno.test("repositories in MongoDB read from the primary, whatever their client prefers", async () => {
  const client = new MongoClient("mongodb://127.0.0.1:1/?readPreference=secondaryPreferred");
  // It looks at its machine from the moment it is made.
  const { metadata } = client.options as unknown as { readonly metadata: Promise<unknown> };
  assert(await metadata);
  try {
    const place = new MongoPlace(client, { database: "library", collection: "books" }, "test");
    for (const suffix of ["", ".keys", ".chunks"]) {
      assert.equal(place.collection(suffix).readPreference?.mode, "primary");
      assert.equal(
        client.db("library").collection(`books${suffix}`).readPreference?.mode,
        "secondaryPreferred",
      );
    }
  } finally {
    await client.close();
  }
});
