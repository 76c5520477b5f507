/**
 * One image repository of a registry: its tags, manifests and blobs.
 *
 * @module
 */
import { type Bytes, readAll } from "../../core/bytes.ts";
import type { RegistryClient, RegistryRequest } from "./client.ts";
import { digestOf } from "./digest.ts";
import { jsonOf, patiently, RegistryFault } from "./fault.ts";
import { ACCEPT, type Descriptor, type Manifest, MAX_MANIFEST, parseManifest } from "./manifest.ts";
import { uploadBlob } from "./upload.ts";

/** How many tags are asked for at a time. */
const PAGE = 1_000;

/** What a registry tells of a manifest without sending it. */
export interface ManifestHead {
  /** `sha256:…`. */
  readonly digest: string | undefined;
  /** In bytes, where it was told. */
  readonly size: number | undefined;
}

/** What a registry says of its tags. */
interface TagList {
  readonly tags?: readonly string[] | null;
}

/** One image repository of a registry. */
export class Images {
  /** Its name: `team/images`. */
  readonly repository: string;
  readonly #client: () => RegistryClient;

  /**
   * @param client Gives the registry while its session is open.
   * @param repository Which image repository.
   */
  constructor(client: () => RegistryClient, repository: string) {
    this.#client = client;
    this.repository = repository;
  }

  /** The registry. */
  get client(): RegistryClient {
    return this.#client();
  }

  /** What is known of a manifest, or nothing. */
  async head(reference: string, signal?: AbortSignal): Promise<ManifestHead | undefined> {
    const response = await this.#ask("HEAD", `manifests/${reference}`, {
      headers: { accept: ACCEPT },
      expect: [404],
      signal,
    });
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    const size = response.headers.get("content-length");
    return {
      digest: response.headers.get("docker-content-digest") ?? undefined,
      size: size === null ? undefined : Number(size),
    };
  }

  /** A manifest, or nothing. Its digest is worked out here and compared with what was asked for and what was told. */
  async manifest(reference: string, signal?: AbortSignal): Promise<Manifest | undefined> {
    const response = await this.#ask("GET", `manifests/${reference}`, {
      headers: { accept: ACCEPT },
      expect: [404],
      signal,
    });
    if (response.status === 404) return void await response.body?.cancel();
    const bytes = await limited(response, signal);
    const told = reference.includes(":")
      ? reference
      : response.headers.get("docker-content-digest") ?? undefined;
    const digest = await digestOf(bytes, told?.split(":")[0]);
    const mediaType = response.headers.get("content-type") ?? "";
    // The first generation of manifests is signed: what is hashed is not what is sent.
    if (told !== undefined && told !== digest && !mediaType.includes("manifest.v1+")) {
      throw new RegistryFault("io", `what came as the manifest ${told} is ${digest}; read it again`);
    }
    return parseManifest(bytes, { mediaType, digest });
  }

  /** Shows a manifest under a tag or its own digest. */
  async putManifest(
    reference: string,
    bytes: Bytes,
    mediaType: string,
    signal?: AbortSignal,
  ): Promise<string> {
    const headers = { "content-type": mediaType };
    const response = await patiently(isPassing, signal, async () => {
      const request = { headers, body: bytes, signal };
      const response = await this.#ask("PUT", `manifests/${reference}`, request, "pull,push");
      await response.body?.cancel();
      return response;
    });
    const digest = await digestOf(bytes);
    const stored = response.headers.get("docker-content-digest");
    if (stored === null || stored === digest || stored.startsWith("sha512:")) return stored ?? digest;
    throw new RegistryFault("io", `the registry stored ${stored} in place of ${digest}; push it again`);
  }

  /** Deletes a manifest by digest, or a tag. Tells the status of the answer: 202, or why not: 400, 404, 405. */
  async deleteManifest(reference: string, signal?: AbortSignal): Promise<number> {
    const response = await this.#ask(
      "DELETE",
      `manifests/${reference}`,
      { expect: [400, 404, 405], signal },
      "pull,push,delete",
    );
    await response.body?.cancel();
    return response.status;
  }

  /** All tags, in pages as the registry hands them out. */
  async *tags(
    signal?: AbortSignal,
    after?: string,
  ): AsyncGenerator<{ readonly tags: readonly string[]; readonly more: boolean }> {
    let path: string | undefined = `/v2/${this.repository}/tags/list?n=${PAGE}${
      after ? `&last=${encodeURIComponent(after)}` : ""
    }`;
    const seen = new Set<string>();
    while (path !== undefined) {
      signal?.throwIfAborted();
      const request: RegistryRequest = {
        method: "GET",
        path,
        access: this.#access("pull"),
        expect: [404],
        signal,
      };
      const response: Response = await this.client.request(request);
      if (response.status === 404) return void await response.body?.cancel();
      const { host } = this.client.address;
      const { tags } = await jsonOf<TagList>(host, response, "a list of tags", signal);
      const next: string | undefined = nextLink(response.headers.get("link"), path);
      // A registry that links a page to itself would be listed for ever.
      const looping: boolean = next !== undefined && seen.has(next);
      if (next !== undefined) seen.add(next);
      path = looping ? undefined : next;
      yield { tags: tags ?? [], more: path !== undefined };
    }
  }

  /**
   * The size of a blob in bytes, or nothing when there is none, or none that can be used: a registry that was killed may have torn its note of
   * a blob, and answers with an error of its own until the blob is sent again.
   */
  async blobSize(digest: string, signal?: AbortSignal): Promise<number | undefined> {
    let response: Response;
    try {
      response = await this.#ask("HEAD", `blobs/${digest}`, { expect: [404], signal });
    } catch (error) {
      if (error instanceof RegistryFault && error.status === 500) return undefined;
      throw error;
    }
    await response.body?.cancel();
    return response.status === 404 ? undefined : Number(response.headers.get("content-length"));
  }

  /** A blob as it comes, unchecked, or nothing; `range` is as in HTTP. */
  async blob(digest: string, signal?: AbortSignal, range?: string): Promise<Response | undefined> {
    const headers = range === undefined ? undefined : { range };
    const response = await this.#ask("GET", `blobs/${digest}`, { headers, expect: [404, 416], signal });
    if (response.status !== 404 && response.status !== 416) return response;
    return void await response.body?.cancel();
  }

  /** A blob that is a manifest or a configuration, whole and checked. */
  async smallBlob({ digest, size }: Descriptor, signal?: AbortSignal): Promise<Bytes> {
    const response = await this.blob(digest, signal);
    if (!response) throw new RegistryFault("io", `the registry lacks ${digest}; push the image again`);
    const bytes = await limited(response, signal);
    if (bytes.length === size && await digestOf(bytes, digest.split(":")[0]) === digest) return bytes;
    throw new RegistryFault("io", `what came as ${digest} is something else; push the image again`);
  }

  /** Sends a blob. */
  upload(
    content: AsyncIterable<Bytes>,
    digest?: string,
    signal?: AbortSignal,
  ): Promise<{ readonly digest: string; readonly size: number }> {
    return uploadBlob({ client: this.client, repository: this.repository, signal }, content, digest);
  }

  /** Takes over a blob from another image repository of the registry. Tells whether the registry did. */
  async mount(digest: string, from: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.#ask(
      "POST",
      `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
      { signal },
      "pull,push",
    );
    await response.body?.cancel();
    return response.status === 201;
  }

  #access(actions: string): { readonly repository: string; readonly actions: string } {
    return { repository: this.repository, actions };
  }

  #ask(method: string, path: string, rest: Partial<RegistryRequest>, actions = "pull"): Promise<Response> {
    const request = {
      ...rest,
      method,
      path: `/v2/${this.repository}/${path}`,
      access: this.#access(actions),
    };
    const call = (): Promise<Response> => this.client.request(request);
    // What is half written just then is answered with 500: looking can be done again.
    return method === "GET" || method === "HEAD"
      ? patiently(({ status }) => status === 500, rest.signal, call)
      : call();
  }
}

/** A blob that is there is unknown for a moment while somebody else sends it too. */
function isPassing({ status, message }: RegistryFault): boolean {
  return status === 500 || (status === 400 && message.includes("BLOB_UNKNOWN"));
}

/** The body of an answer that must not be large. */
async function limited(response: Response, signal: AbortSignal | undefined): Promise<Bytes> {
  const announced = Number(response.headers.get("content-length") ?? 0);
  if (announced > MAX_MANIFEST) {
    await response.body?.cancel();
    throw new RegistryFault(
      "invalid-value",
      `a manifest of ${announced} bytes is larger than any registry should have`,
    );
  }
  try {
    return response.body ? await readAll(response.body as ReadableStream<Bytes>, signal) : new Uint8Array(0);
  } catch (error) {
    signal?.throwIfAborted();
    throw new RegistryFault("unavailable", "the connection broke while a manifest was read; run again", {
      cause: error,
    });
  }
}

/** The address of the next page, of a header as in RFC 8288. */
function nextLink(header: string | null, current: string): string | undefined {
  const found = header?.match(/<([^>]*)>\s*;[^,]*\brel="?next"?/i)?.[1];
  if (!found) return undefined;
  const url = new URL(found, new URL(current, "http://registry.invalid"));
  return url.host === "registry.invalid" ? url.pathname + url.search : found;
}
