/**
 * Byte streams in a Docker registry, as OCI artifacts: what `oras pull` gets.
 *
 * @module
 */
import { type Bytes, encodeText, toStream } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { BlobRepository } from "../blob.ts";
import type { BlobDriver, ReadOptions } from "../driver.ts";
import { memoised } from "../memory_store.ts";
import { chunksOf } from "../stream_chunks.ts";
import { digestOf, verified } from "./digest.ts";
import { type DockerRegistryOptions, type RegistrySource, TagStore } from "./driver.ts";
import { RegistryFault } from "./fault.ts";
import { broken } from "./layout_read.ts";
import { type Descriptor, type Manifest, OCI_MANIFEST } from "./manifest.ts";

/** Options of a repository of artifacts. */
export interface ArtifactOptions extends DockerRegistryOptions {
  /** The media type of the values. Default: `application/octet-stream`. */
  readonly mediaType?: string | undefined;
}

/** Says of an artifact that it is a value and no image. */
const ARTIFACT_TYPE = "application/vnd.datatask.value.v1";

const EMPTY = encodeText("{}");

/**
 * A store of byte streams in a Docker registry: each value is an OCI artifact with one layer, and its key is the tag. Under `packed()` it holds
 * trees of files of any kind. A value is visible when the registry has it whole; equal values are stored once.
 *
 * @param registry Which registry.
 * @param options Which image repository; use one for artifacts alone.
 * @returns The driver.
 * @throws {DefinitionError} When no registry takes such a name.
 */
export function artifactDriver(registry: RegistrySource, options: ArtifactOptions): BlobDriver {
  const store = new TagStore(registry, options.repository);
  const { images } = store;
  const layerOf = async (
    key: Key,
    signal: AbortSignal | undefined,
  ): Promise<[Manifest, Descriptor] | undefined> => {
    const manifest = await store.manifest(key, signal);
    if (!manifest) return undefined;
    const { content } = manifest;
    if (content.kind === "image" && content.layers.length === 1) return [manifest, content.layers[0]!];
    throw new RegistryFault(
      "invalid-value",
      "it is no artifact with one layer; read it with DockerRegistryRepository",
    );
  };
  return {
    ...store.keyDriver({ ranges: true }),
    info: (key, options) =>
      store.within("look up", key, options, async () => {
        const [manifest, layer] = await layerOf(key, options?.signal) ?? [];
        return manifest && layer && { size: layer.size, version: manifest.digest };
      }),
    read: (key, options) =>
      store.within("read", key, options, async () => {
        const [, layer] = await layerOf(key, options?.signal) ?? [];
        return layer && await openLayer(store, key, layer, options);
      }),
    async write(key, content, writing) {
      const signal = writing?.signal;
      const stream = toStream(content);
      try {
        await store.within("write", key, writing, async () => {
          store.refuseConditions(key, writing);
          const config = {
            mediaType: "application/vnd.oci.empty.v1+json",
            digest: await digestOf(EMPTY),
            size: EMPTY.length,
          };
          if (await images.blobSize(config.digest, signal) === undefined) {
            await images.upload(chunksOf(toStream(EMPTY), signal), config.digest, signal);
          }
          const layer = await images.upload(chunksOf(stream, signal), undefined, signal);
          const manifest = {
            schemaVersion: 2,
            mediaType: OCI_MANIFEST,
            artifactType: ARTIFACT_TYPE,
            config,
            layers: [{ mediaType: options.mediaType ?? "application/octet-stream", ...layer }],
          };
          await images.putManifest(key, encodeText(JSON.stringify(manifest)), OCI_MANIFEST, signal);
        });
      } catch (error) {
        if (!stream.locked) await stream.cancel(error).catch(() => {});
        throw error;
      }
    },
    beside: memoised((name) => artifactDriver(registry, { ...options, repository: store.beside(name) })),
  };
}

async function openLayer(
  store: TagStore,
  key: Key,
  layer: Descriptor,
  options: ReadOptions | undefined,
): Promise<ReadableStream<Bytes>> {
  const { start = 0, end = layer.size, signal } = options ?? {};
  const last = Math.min(end, layer.size) - 1;
  if (start > last) return ReadableStream.from([]);
  const whole = start === 0 && last === layer.size - 1;
  const response = await store.images.blob(
    layer.digest,
    signal,
    whole ? undefined : `bytes=${start}-${last}`,
  );
  if (!response) throw new RegistryFault("io", `the registry lacks ${layer.digest}; write the value again`);
  const body = response.body as ReadableStream<Bytes> | null ?? ReadableStream.from([]);
  const explain = (error: unknown): unknown => {
    if (signal?.aborted) return signal.reason;
    return store.explain("read", key)(error instanceof RegistryFault ? error : broken(layer, error));
  };
  if (whole) return verified(body, layer, explain, signal);
  // A registry that knows no ranges sends all of it.
  return counted(body, response.status === 206 ? 0 : start, last - start + 1, layer, explain, signal);
}

/** A part of a body, which must be there whole. Its digest cannot be seen. */
function counted(
  body: ReadableStream<Bytes>,
  skip: number,
  length: number,
  layer: Descriptor,
  explain: (error: unknown) => unknown,
  signal: AbortSignal | undefined,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  let at = -skip;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        for (;;) {
          const { done, value } = await reader.read();
          signal?.throwIfAborted();
          if (done) throw broken(layer, new Error(`${length - at} bytes are missing`));
          const part = value.subarray(Math.max(0, -at), Math.max(0, length - at));
          at += value.length;
          if (part.length > 0) controller.enqueue(part);
          if (at >= length) {
            controller.close();
            return void reader.cancel().catch(() => {});
          }
          if (part.length > 0) return;
        }
      } catch (error) {
        reader.cancel(error).catch(() => {});
        throw explain(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** A repository of byte streams in a Docker registry, each an OCI artifact whose tag is the key. */
export class ArtifactRepository extends BlobRepository {
  /**
   * Artifacts of an image repository.
   *
   * @param registry Which registry: a client, or a resource of a session that gives one.
   * @param options Which image repository; use one for artifacts alone.
   * @throws {DefinitionError} When no registry takes such a name.
   */
  constructor(registry: RegistrySource, options: ArtifactOptions) {
    super(artifactDriver(registry, options));
  }
}
