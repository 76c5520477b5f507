/**
 * Databases for tests: each case has one of its own, which is dropped afterwards.
 *
 * @module
 */
import { MongoClient, type MongoClientOptions } from "../../../deps/mongodb.ts";
import { needs } from "../../../testing/needs.ts";

export const mongodb = needs("mongodb");

/** A client of the server, closed with the stack. */
export async function connected(
  stack: AsyncDisposableStack,
  url = mongodb.get("MONGODB_URL"),
  options: MongoClientOptions = {},
): Promise<MongoClient> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 10_000, ...options });
  stack.defer(() => client.close());
  await client.connect();
  return client;
}

/** A database that nobody else has, dropped with the stack. */
export function freshDatabase(client: MongoClient, stack: AsyncDisposableStack): string {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  stack.defer(async () => void await client.db(name).dropDatabase());
  return name;
}

/** A test that is ignored where no server is. */
export function test(name: string, fn: (stack: AsyncDisposableStack) => Promise<void>): void {
  Deno.test({
    name,
    ...mongodb.test,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await fn(stack);
    },
  });
}
