/**
 * How quick buckets are, beside the bare SDK in the same run: `eval "$(.ci/services/s3.sh)"; deno run -A bench/s3.ts [MB] [keys] [part]`.
 *
 * The bare side is the SDK's own client, with as many connections. Every measurement runs in a process of its own, so that each has its own peak of memory. Filling a bucket takes minutes: the parts `fill`, `list`
 * and `clear` do only that, so that a listing can be measured again, on a machine that does nothing else. `values` is all but the listing.
 *
 * @module
 */
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "../deps/aws_s3.ts";
import { makeClient } from "../repositories/s3/client.ts";
import { S3BucketRepository } from "../repositories/s3/mod.ts";
import { bareClient, serverOfTests } from "./bare_s3.ts";
import { figure, median } from "./figure.ts";

const BUCKET = "datatask-bench";
const MB = 1_000_000;
const [megabytes = "500", listed = "100000", part = "all"] = Deno.args;
const size = Number(megabytes) * MB;
const count = Number(listed);

/** What one measurement gives. */
interface Measured {
  readonly ms: number;
  readonly peak: number;
}

/** A stream of unknown length. */
function source(): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = size;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      const chunk = new Uint8Array(Math.min(65_536, left)).fill(left % 251);
      left -= chunk.length;
      controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  let seen = 0;
  for await (const chunk of stream) seen += chunk.length;
  if (seen !== size) throw new Error(`${seen} of ${size} bytes`);
}

async function wide(width: number, times: number, call: (i: number) => Promise<unknown>): Promise<void> {
  let at = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (at < times) await call(at++);
  }));
}

const small = new Uint8Array(1000).fill(7);
const SMALL = 3000;
const name = (i: number): string => `key-${String(i).padStart(7, "0")}`;

type Call = (store: S3BucketRepository, s3: S3Client) => Promise<unknown>;

/** The measurements: ours, and the same with the bare SDK. */
const CALLS: Readonly<Record<string, Call>> = {
  "up/ours": (store) => store.put("large", source()),
  "up/sdk": async (_, client) => {
    const { Upload } = await import("npm:@aws-sdk/lib-storage@^3.900.0");
    const params = { Bucket: BUCKET, Key: "sdk/large", Body: source() };
    await new Upload({ client, params, partSize: 8 * 2 ** 20, queueSize: 4 }).done();
  },
  "down/ours": async (store) => await drain(await store.open("large")),
  "down/sdk": async (_, s3) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: "ours/large" }));
    await drain(Body as unknown as AsyncIterable<Uint8Array>);
  },
  ...Object.fromEntries(
    [16, 64].flatMap((width): [string, Call][] => [
      [`put1k-${width}/ours`, (store) => wide(width, SMALL, (i) => store.put(name(i), small))],
      [
        `put1k-${width}/sdk`,
        (_, s3) =>
          wide(
            width,
            SMALL,
            (i) => s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `sdk/${name(i)}`, Body: small })),
          ),
      ],
      [`get1k-${width}/ours`, (store) => wide(width, SMALL, (i) => store.bytes(name(i)))],
      [`get1k-${width}/sdk`, (_, s3) =>
        wide(width, SMALL, async (i) => {
          const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: `ours/${name(i)}` }));
          await Body!.transformToByteArray();
        })],
    ]),
  ),
  "fill/ours": (store) => wide(64, count, (i) => store.put(name(i), small)),
  "list/ours": async (store) => {
    let seen = 0;
    for await (const page of store.pages()) seen += page.length;
    if (seen < count) throw new Error(`${seen} of ${count} keys`);
  },
  "list/sdk": async (_, s3) => {
    let token: string | undefined;
    do {
      const page = await s3.send(
        new ListObjectsV2Command({
          Bucket: BUCKET,
          Prefix: "ours/",
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      token = page.NextContinuationToken;
    } while (token !== undefined);
  },
};

/** One measurement, in this process. */
async function measure(call: Call): Promise<void> {
  const s3 = bareClient();
  const ours = makeClient(serverOfTests());
  const store = new S3BucketRepository(ours, { bucket: BUCKET, prefix: "ours/" });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const start = performance.now();
  await call(store, s3);
  const ms = performance.now() - start;
  const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(await Deno.readTextFile("/proc/self/status"))!;
  console.log(JSON.stringify({ ms, peak: Number(kilobytes) / 1000 }));
  s3.destroy();
  ours.destroy();
}

async function inProcess(what: string): Promise<Measured> {
  const args = ["run", "-A", import.meta.url, megabytes, listed, what];
  const { stdout, code } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (code !== 0) throw new Error(`${what} failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Pairs, one after the other, so that both sides meet the same machine; the medians count. */
async function compare(
  what: string,
  meaning: string,
  amount: number,
  unit: string,
  pairs = 3,
): Promise<void> {
  const ours: Measured[] = [];
  const sdk: Measured[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const sides = [
      async () => ours.push(await inProcess(`${what}/ours`)),
      async () => sdk.push(await inProcess(`${what}/sdk`)),
    ];
    for (const side of pair % 2 ? sides.toReversed() : sides) await side();
  }
  const ratio = median(ours.map(({ ms }, i) => sdk[i]!.ms / ms));
  const [speed, bare] = [ours, sdk].map((all) => Math.round(amount / median(all.map(({ ms }) => ms)) * 1000));
  const [peak, barePeak] = [ours, sdk].map((all) => median(all.map(({ peak }) => peak)));
  console.log(
    `${what.padEnd(10)} ${String(speed).padStart(7)} ${unit}, bare SDK ${String(bare).padStart(7)}: ratio ${
      ratio.toFixed(2)
    };  peak ${Math.round(peak!)} MB, bare SDK ${Math.round(barePeak!)} MB: ratio ${
      (peak! / barePeak!).toFixed(2)
    }`,
  );
  figure(`S3: ${meaning}, to the bare SDK`, ratio, "x", { atLeast: 0.9 });
  figure(`S3: ${meaning}, memory to the bare SDK's`, peak! / barePeak!, "x", { atMost: 1.2 });
}

async function clear(): Promise<void> {
  const s3 = bareClient();
  for (;;) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    if (Contents.length === 0) break;
    const Objects = Contents.map(({ Key }) => ({ Key: Key! }));
    await s3.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Quiet: true, Objects } }));
  }
  s3.destroy();
}

async function values(): Promise<void> {
  await compare("up", `${megabytes} MB up`, size / MB, "MB/s", 5);
  await compare("down", `${megabytes} MB down`, size / MB, "MB/s", 9);
  for (const width of [16, 64]) {
    await compare(`put1k-${width}`, `1 KB written, ${width} at a time`, SMALL, "/s");
    await compare(`get1k-${width}`, `1 KB read, ${width} at a time`, SMALL, "/s");
  }
}

const list = (): Promise<void> =>
  compare("list", `${count.toLocaleString("en")} keys listed`, count, "keys/s", 5);

const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  values: () => values().finally(clear),
  fill: () => inProcess("fill/ours"),
  list,
  clear,
  async all() {
    try {
      await values();
      await inProcess("fill/ours");
      await list();
    } finally {
      await clear();
    }
  },
};

if (part in CALLS) await measure(CALLS[part]!);
else await parts[part]!();
