import { explainMongo, refusedByDeno } from "../../../repositories/mongodb/errors.ts";
import { MongoClient } from "../../../deps/mongodb.ts";
import {
  MongoBlobRepository,
  mongoClient,
  MongoMetadataRepository,
} from "../../../repositories/mongodb/mod.ts";
import { Session } from "../../../session/session.ts";
import { listKeys } from "../../../testing/suite.ts";
import assert from "node:assert/strict";
import { refuses } from "../../kit/refuses.ts";
import { TlsFront } from "../../kit/tls_front.ts";
import { RefusingProxy } from "./refusing_proxy.ts";
import { connected, freshDatabase, mongodb, test } from "./servers.ts";

/** The URL of the server behind TLS, with more of its options. */
function behind(front: TlsFront, options: Readonly<Record<string, string>> = {}): string {
  const url = new URL(mongodb.get("MONGODB_URL"));
  url.port = new URL(front.url).port;
  for (const [name, value] of Object.entries({ tls: "true", ...options })) url.searchParams.set(name, value);
  return url.href;
}

test("mongoClient() says what to do about a certificate that is not trusted, and trusts it when told", async (stack) => {
  const front = stack.use(await TlsFront.start(mongodb.get("MONGODB_URL")));
  const ca = await Deno.makeTempFile({ suffix: ".pem" });
  stack.defer(() => Deno.remove(ca));
  await Deno.writeTextFile(ca, front.ca);
  const state =
    /the certificate of the server is not trusted \(.+\); give the file with the certificate of its authority as tlsCAFile, in the URL or in the options of mongoClient\(\), and use the name that it was made for$/;

  const session = new Session();
  session.resource("mongo", mongoClient(behind(front), { serverSelectionTimeoutMS: 1_000 }));
  const cause = await session.open().then(() => undefined, (error) => error.cause);
  await refuses(
    Promise.reject(cause),
    "denied",
    new RegExp(`^Cannot connect to mongodb 127\\.0\\.0\\.1:\\d+: ${state.source}`),
  );

  const late = new MongoClient(behind(front), { serverSelectionTimeoutMS: 1_000 });
  stack.defer(() => late.close());
  const doubtful = new MongoMetadataRepository(late, { database: "x", collection: "c" });
  await refuses(
    () => listKeys(doubtful.driver),
    "denied",
    new RegExp(`^Cannot list mongodb x/c: ${state.source}`),
  );

  const trusting = new Session();
  const mongo = trusting.resource("mongo", mongoClient(behind(front, { tlsCAFile: ca })));
  await using _open = await trusting.open();
  const database = freshDatabase(await connected(stack), stack);
  const books = new MongoMetadataRepository(mongo, { database, collection: "books" });
  await books.set("emma", { pages: 474 });
  assert.deepEqual(await books.get("emma"), { pages: 474 });
});

test("a user who may not list or write is told what has to be allowed, and nothing is taken for absent", async (stack) => {
  const database = freshDatabase(await connected(stack), stack);
  const proxy = stack.use(new RefusingProxy(mongodb.get("MONGODB_URL"), ["find", "update", "insert"]));
  const client = await connected(stack, proxy.url);
  const books = new MongoMetadataRepository(client, { database, collection: "books" });
  const scans = new MongoBlobRepository(client, { database, collection: "scans" });
  const may = (command: string, collection: string): string =>
    `the user may not do it \\(not authorized on ${database} to execute command \\{ ${command}: "${collection}" \\}\\); give it the role readWrite on that database$`;
  const denied = (call: () => Promise<unknown>, doing: string, command: string, collection = "books") =>
    refuses(call, "denied", new RegExp(`^Cannot ${doing}: ${may(command, collection)}`));

  const name = `mongodb ${database}/books`;
  await denied(() => listKeys(books.driver), `list ${name}`, "find");
  await denied(() => books.get("emma"), `read "emma" of ${name}`, "find");
  await denied(() => books.has("emma"), `look up "emma" of ${name}`, "find");
  await denied(() => books.set("emma", { pages: 474 }), `write "emma" of ${name}`, "update");
  await denied(() => books.set("emma", {}, { ifAbsent: true }), `write "emma" of ${name}`, "insert");
  await denied(() => listKeys(scans.driver), `list ${scans.name}`, "find", "scans\\.keys");
});

Deno.test("explainMongo() names the flag of Deno that is missing, however deep it lies", () => {
  const refused = (what: string): Error => new Deno.errors.NotCapable(`Requires ${what}`);
  const net = 'net access to "mongo.example:27017", run again with the --allow-net flag';
  const unreachable = Object.assign(new Error("none of them answers", { cause: refused(net) }), {
    name: "MongoServerSelectionError",
  });
  const explained = explainMongo("list", "mongodb a/b", undefined, unreachable) as Error & { code: string };
  assert.equal(explained.code, "denied");
  assert.equal(
    explained.message,
    'Cannot list mongodb a/b: Requires net access to "mongo.example:27017"; run with --allow-net=mongo.example:27017',
  );
  assert.equal(
    refusedByDeno(refused('env access to "MONGODB_LOG_COMMAND", run again with the --allow-env flag')),
    'Requires env access to "MONGODB_LOG_COMMAND"; the client only looks at it: run with --ignore-env --ignore-read, or with --allow-env',
  );
  assert.equal(refusedByDeno(new Error("something else")), undefined);
});

Deno.test("mongoClient() without permissions says which flags it wants", async () => {
  const module = new URL("../../../repositories/mongodb/mod.ts", import.meta.url).href;
  const script = `
    import { mongoClient } from ${JSON.stringify(module)};
    await using stack = new AsyncDisposableStack();
    const open = mongoClient("mongodb://ada:secret@127.0.0.1:27017/");
    try { await open(stack, AbortSignal.abort()); } catch (error) { console.log(error.code, error.message); }`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script));
  await input.close();
  const { stdout } = await child.output();
  assert.match(
    new TextDecoder().decode(stdout),
    /^denied Cannot use the URL of MongoDB \(mongodb:\/\/…@127\.0\.0\.1:27017\/\): Requires env access to .*; the client only looks at it: run with --ignore-env --ignore-read, or with --allow-env\n$/,
  );
});
