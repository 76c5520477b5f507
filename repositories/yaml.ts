/**
 * YAML and JSON documents, kept in any store of byte streams.
 *
 * @module
 */
import { type Bytes, encodeText } from "../core/bytes.ts";
import { type Codec, json } from "../core/codec.ts";
import { checkDocument, MAX_DOCUMENT_DEPTH } from "../core/document.ts";
import type { BlobRepository } from "./blob.ts";
import type { BlobDriver, MetadataDriver } from "./driver.ts";
import { encoded } from "./encoded.ts";
import { fileDriver, type FileOptions } from "./files.ts";
import { MetadataRepository } from "./metadata.ts";
import { type SchemaOptions, validated, type Validator } from "./schema.ts";
import { plainYaml } from "./yaml_plain.ts";
import { yamlText } from "./yaml_text.ts";

/** How many aliases (`*name`) one document may hold. */
const MAX_ALIASES = 1000;

/** What a document in JSON begins with: much quicker to read, and YAML as well. */
const JSON_START = /^\s*[{[]/;

/**
 * YAML 1.2, core schema. Texts that a reader of YAML 1.1 or 1.2 could take for something else (`yes`, `1e5`, `012`) are quoted. Dates,
 * bytes, `undefined`, functions, instances of classes and cycles are refused before anything is written; NaN and the infinities are kept.
 * What other programs wrote is read by the core schema: `yes` and `2001-01-01` are texts, `010` is ten, tags of types are errors.
 * The reader is loaded by the first document that is not JSON, so `decode` may give a promise.
 *
 * @example A text that looks like a number
 * ```ts
 * import { yaml } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const bytes = yaml.encode({ version: "1e5" });
 * assert.equal(new TextDecoder().decode(bytes), 'version: "1e5"\n');
 * assert.deepEqual(await yaml.decode(bytes), { version: "1e5" });
 * ```
 */
export const yaml: Omit<Codec, "encode"> & { encode(value: unknown): Bytes } = yamlCodec();

/** What reads YAML. */
type Reader = typeof import("../deps/js_yaml.ts");

function yamlCodec(): typeof yaml {
  let reader: Reader | undefined;
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  return {
    name: "YAML",
    extension: ".yaml",
    mediaType: "application/yaml",
    encode(value) {
      checkDocument(value, "YAML", true);
      return encodeText(yamlText(value));
    },
    decode(bytes) {
      const text = utf8.decode(bytes);
      const plain = plainYaml(text);
      if (plain) return plain;
      if (JSON_START.test(text)) {
        try {
          return JSON.parse(text);
        } catch {
          // Not JSON: YAML in flow style, or an error whose place YAML can tell.
        }
      }
      if (reader) return readYaml(reader, text);
      return import("../deps/js_yaml.ts").then((loaded) => readYaml(reader = loaded, text));
    },
  };
}

function readYaml({ CORE_SCHEMA, load, YAMLException }: Reader, text: string): unknown {
  try {
    return load(text, { schema: CORE_SCHEMA, maxDepth: MAX_DOCUMENT_DEPTH, maxAliases: MAX_ALIASES });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    const place = mark ? `line ${mark.line + 1}, column ${mark.column + 1}: ` : "";
    // Without the cause: it says the same over several lines, with a drawing.
    throw new SyntaxError(`${place}${reason}`);
  }
}

/** Options of repositories of YAML or JSON documents. */
export interface DocumentOptions<T> extends SchemaOptions {
  /** What a document must look like: a JSON Schema, or a validator of the Standard Schema kind. */
  readonly schema?: Validator<T> | undefined;
}

/** Options of repositories of YAML or JSON files. */
export interface DocumentFileOptions<T> extends DocumentOptions<T>, FileOptions {}

function documents<T>(blobs: BlobDriver, codec: Codec, options: DocumentOptions<T> = {}): MetadataDriver<T> {
  const driver = encoded<T>(blobs, codec as Codec<T>);
  return options.schema === undefined ? driver : validated(options.schema, options)(driver);
}

/**
 * A repository of YAML documents.
 *
 * @example Documents as files
 * ```ts
 * import { YamlMetadataRepository } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const dir = await Deno.makeTempDir();
 * const books = YamlMetadataRepository.files<{ pages: number }>(dir);
 * await books.set("moby-dick", { pages: 635 });
 * assert.equal(await Deno.readTextFile(`${dir}/moby-dick.yaml`), "pages: 635\n");
 * await Deno.remove(dir, { recursive: true });
 * ```
 */
export class YamlMetadataRepository<T = unknown> extends MetadataRepository<T> {
  /**
   * Puts documents over a store of byte streams.
   *
   * @param blobs Where the documents are kept.
   * @param options What a document must look like.
   */
  constructor(blobs: BlobRepository | BlobDriver, options: DocumentOptions<T> = {}) {
    super(documents<T>(driverOf(blobs), yaml, options));
  }

  /**
   * Documents in a folder, one file each.
   *
   * @param dir The folder.
   * @param options What names end in (default: `.yaml`), and what a document must look like.
   * @returns The repository.
   */
  static files<T = unknown>(
    dir: string | URL,
    options: DocumentFileOptions<T> = {},
  ): YamlMetadataRepository<T> {
    return new YamlMetadataRepository<T>(fileDriver(dir, { extension: yaml.extension, ...options }), options);
  }
}

/** A repository of JSON documents. */
export class JsonMetadataRepository<T = unknown> extends MetadataRepository<T> {
  /**
   * Puts documents over a store of byte streams.
   *
   * @param blobs Where the documents are kept.
   * @param options What a document must look like.
   */
  constructor(blobs: BlobRepository | BlobDriver, options: DocumentOptions<T> = {}) {
    super(documents<T>(driverOf(blobs), json, options));
  }

  /**
   * Documents in a folder, one file each.
   *
   * @param dir The folder.
   * @param options What names end in (default: `.json`), and what a document must look like.
   * @returns The repository.
   */
  static files<T = unknown>(
    dir: string | URL,
    options: DocumentFileOptions<T> = {},
  ): JsonMetadataRepository<T> {
    return new JsonMetadataRepository<T>(fileDriver(dir, { extension: json.extension, ...options }), options);
  }
}

function driverOf(blobs: BlobRepository | BlobDriver): BlobDriver {
  return "driver" in blobs ? blobs.driver : blobs;
}
