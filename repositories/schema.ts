/**
 * Documents that must look a certain way.
 *
 * @module
 */
import { DefinitionError, RepositoryError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { KeyDriver, Layer, MetadataDriver } from "./driver.ts";
import { memoised } from "./memory_store.ts";

/** A validator of the Standard Schema kind, as valibot, zod, arktype and others make them. */
export interface StandardSchema<T = unknown> {
  /** The standard's one property. */
  readonly "~standard": {
    /** The version of the standard. */
    readonly version: 1;
    /** Who made it. */
    readonly vendor: string;
    /** Looks at a value. */
    readonly validate: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>;
  };
}

/** What a validator of the Standard Schema kind says. */
export type StandardResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
    readonly issues: readonly {
      readonly message: string;
      readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
    }[];
  };

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** What a document must look like. */
export type Validator<T = unknown> = JsonSchema | StandardSchema<T>;

/** When documents are looked at. */
export interface SchemaOptions {
  /** Look at documents that are read, too: for stores that others write to. @default false */
  readonly onRead?: boolean | undefined;
}

/** All that is wrong with a document, each with its place. */
type Check = (value: unknown) => string[] | Promise<string[]>;

/**
 * Refuses documents that do not look as they should, before they are written. The document is stored as it was given: a validator that
 * changes it on the way (defaults, coercions) judges only. Keys, deletes, conditions and `watch` are those beneath; what is beside is not
 * looked at.
 *
 * @param schema A JSON Schema, or a validator of the Standard Schema kind.
 * @param options Whether documents that are read are looked at, too.
 * @returns A layer over a store of documents.
 * @example All that is wrong, with its place
 * ```ts
 * import { MemoryMetadataRepository, validated } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const schema = { type: "object", properties: { pages: { type: "integer" } }, required: ["title"] };
 * const books = new MemoryMetadataRepository("books").with(validated(schema));
 * await assert.rejects(books.set("moby-dick", { pages: "many" }), /title.*\/pages must be integer/s);
 * ```
 */
export function validated<T = unknown>(
  schema: Validator<T>,
  options: SchemaOptions = {},
): Layer<MetadataDriver<T>> {
  let check: Promise<Check> | undefined;
  const checkThat = async (
    operation: "write" | "read",
    value: unknown,
    key: Key,
    subject: string,
  ): Promise<void> => {
    const faults = await (await (check ??= compile(schema, subject)))(value);
    if (faults.length > 0) throw violation(operation, key, subject, faults);
  };
  const layer = (inner: MetadataDriver<T>): MetadataDriver<T> => {
    // Documents written many at once would not be checked.
    const { setMany: _many, ...others } = inner;
    const { getMany, beside, name } = inner;
    return {
      ...others,
      derived: {
        by: "same",
        parts: [inner],
        over: ([part]) => layer(part as MetadataDriver<T>) as KeyDriver,
      },
      async set(key, value, opts) {
        opts?.signal?.throwIfAborted();
        await checkThat("write", value, key, name);
        await inner.set(key, value, opts);
      },
      async get(key, opts) {
        const value = await inner.get(key, opts);
        if (options.onRead && value !== undefined) await checkThat("read", value, key, name);
        return value;
      },
      ...(getMany && {
        async getMany(keys, opts) {
          const found = await getMany(keys, opts);
          if (options.onRead) { for (const [key, value] of found) await checkThat("read", value, key, name); }
          return found;
        },
      }),
      ...(beside && { beside: memoised((sibling) => beside(sibling)) }),
    };
  };
  return layer;
}

function violation(
  operation: "write" | "read",
  key: Key,
  subject: string,
  faults: string[],
): RepositoryError {
  const count = faults.length === 1
    ? "it breaks its schema"
    : `it breaks its schema in ${faults.length} places`;
  return new RepositoryError(
    "invalid-value",
    `Cannot ${operation} "${key}" of ${subject}: ${count}: ${
      faults.join("; ")
    }; correct the document or the schema`,
    { operation, subject, key },
  );
}

/** The part of ajv that is used here. */
interface AjvModule {
  readonly Ajv2020: new (
    options: Readonly<Record<string, unknown>>,
  ) => { compile(schema: JsonSchema): AjvCheck };
}

interface AjvCheck {
  (value: unknown): boolean;
  readonly errors?:
    | readonly {
      readonly instancePath: string;
      readonly message?: string;
      readonly params: Readonly<Record<string, unknown>>;
    }[]
    | null;
}

async function compile<T>(schema: Validator<T>, subject: string): Promise<Check> {
  if (isStandard(schema)) return (value) => standardFaults(schema, value);
  // A computed address: a literal one, even that of a type, would make the package part of every start.
  const { Ajv2020 }: AjvModule = await import(new URL("../deps/ajv.ts", import.meta.url).href);
  // In this draft a format is a remark unless a vocabulary says otherwise.
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
  try {
    const validate = ajv.compile(schema);
    return (value) => {
      if (validate(value)) return [];
      return (validate.errors ?? []).map(({ instancePath, message, params }) => {
        const extra = params.additionalProperty ?? params.unevaluatedProperty;
        return `${instancePath || "the document"} ${message}${extra === undefined ? "" : ` (${extra})`}`;
      });
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DefinitionError(`Cannot use the schema of ${subject}: ${reason}; correct the schema`, {
      cause: error,
    });
  }
}

function isStandard<T>(schema: Validator<T>): schema is StandardSchema<T> {
  return (typeof schema === "object" || typeof schema === "function") && "~standard" in schema;
}

async function standardFaults<T>(schema: StandardSchema<T>, value: unknown): Promise<string[]> {
  const { issues = [] } = await schema["~standard"].validate(value);
  return issues.map(({ message, path = [] }) => {
    const place = path.map((part) => `/${String(typeof part === "object" ? part.key : part)}`).join("");
    return `${place || "the document"}: ${message}`;
  });
}
