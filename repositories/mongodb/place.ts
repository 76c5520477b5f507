/**
 * Collections of a database, got at when they are needed, and operations on them that say what was being done.
 *
 * @module
 */
import { DefinitionError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Collection, Db, Document, MongoClient } from "../../deps/mongodb.ts";
import type { Resource } from "../../session/resource.ts";
import type { Capabilities, OperationOptions } from "../driver.ts";
import { classifyMongo, explainMongo } from "./errors.ts";

/** A client or a database: itself, or as a resource of a session. */
export type MongoSource = MongoClient | Db | Resource<MongoClient> | Resource<Db>;

/** An operation that broke off and was done again. */
export interface MongoRetry {
  /** What was done: `"write"`. */
  readonly operation: string;
  /** To which key. */
  readonly key: Key | undefined;
  /** Why it broke off. */
  readonly error: unknown;
}

/** Where values lie in a database. */
export interface MongoOptions {
  /** Which database. Default: the one of the URL, or the one given. */
  readonly database?: string | undefined;
  /** Which collection. */
  readonly collection: string;
  /** Fields of documents to keep an index of, for whoever queries them: `["meta.author"]`. Made by `prepare()`. @default [] */
  readonly indexes?: readonly string[] | undefined;
  /** Told of each operation that broke off and is done once more. */
  readonly onRetry?: ((retry: MongoRetry) => void) | undefined;
}

/** What repositories in MongoDB can do. */
export const SUPPORTS: Capabilities = {
  writable: true,
  consistentListing: true,
  reach: "network",
  durable: true,
  conditional: true,
  ranges: false,
};

/** Documents with texts as keys, whatever else they hold. */
export type Entry = Document & { _id: string };

/** Where values lie in a database. */
export class MongoPlace {
  /** What errors and graphs call it. */
  readonly name: string;
  /** Which store this is. */
  readonly identity: string;
  /** The options it was made with. */
  readonly options: MongoOptions;
  readonly #source: MongoSource;
  readonly #collections = new Map<
    string,
    { readonly of: MongoClient | Db; readonly collection: Collection<Entry> }
  >();

  /**
   * @param source Which client or database.
   * @param options Which collection.
   * @param kind What the identity begins with: two kinds of store never are one.
   * @throws {DefinitionError} When no collection can have that name.
   */
  constructor(source: MongoSource, options: MongoOptions, kind: string) {
    checkName(options.collection);
    this.#source = source;
    this.options = options;
    const { where, database } = placeOf(source, options.database);
    this.name = `mongodb ${[where.shown, database].filter(Boolean).join("/")}/${options.collection}`;
    this.identity = `${kind}:${where.exact}/${database}/${options.collection}`;
  }

  /** The client or database that it was made with. */
  get source(): MongoSource {
    return this.#source;
  }

  /** The database. */
  get db(): Db {
    return databaseOf(this.#given(), this.options.database);
  }

  /** Its collection, or one whose name begins alike. Reads the newest, and writes what survives the loss of a server. */
  collection(suffix = ""): Collection<Entry> {
    const given = this.#given();
    const known = this.#collections.get(suffix);
    if (known?.of === given) return known.collection;
    const collection = databaseOf(given, this.options.database).collection<Entry>(
      this.options.collection + suffix,
      {
        readPreference: "primary",
        writeConcern: { w: "majority" },
        useBigInt64: true,
        promoteBuffers: false,
      },
    );
    this.#collections.set(suffix, { of: given, collection });
    return collection;
  }

  /**
   * Does an operation that may be done twice, and does it twice when the connection broke: a server that stops or hands over is back soon.
   *
   * @param operation What it does: `"read"`.
   * @param key To which key.
   * @param options When to stop.
   * @param call Does it. Told whether it is the second time.
   * @returns What it gives.
   * @throws {RepositoryError} In words that say what to do.
   */
  async attempt<T>(
    operation: string,
    key: Key | undefined,
    options: OperationOptions | undefined,
    call: (again: boolean) => Promise<T>,
  ): Promise<T> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    for (let again = false;; again = true) {
      try {
        return await (signal ? abortable(signal, call(again)) : call(again));
      } catch (error) {
        if (signal?.aborted && error === signal.reason) throw error;
        if (again || classifyMongo(error) !== "unavailable" || isSelection(error)) {
          throw explainMongo(operation, this.name, key, error);
        }
        this.options.onRetry?.({ operation, key, error });
      }
    }
  }

  #given(): MongoClient | Db {
    return typeof this.#source === "function" ? this.#source() : this.#source;
  }
}

/** No server was found in all the time that there was: there is no use in waiting as long again. */
function isSelection(error: unknown): boolean {
  return (error as Error).name === "MongoServerSelectionError";
}

function isClient(given: MongoClient | Db): given is MongoClient {
  return typeof (given as MongoClient).db === "function";
}

function databaseOf(given: MongoClient | Db, database: string | undefined): Db {
  if (isClient(given)) return given.db(database);
  return database === undefined || database === given.databaseName ? given : given.client.db(database);
}

function placeOf(source: MongoSource, database: string | undefined): {
  readonly where: { readonly shown: string; readonly exact: string };
  readonly database: string;
} {
  if (typeof source === "function") {
    return { where: { shown: source.resourceName, exact: source.resourceName }, database: database ?? "" };
  }
  const client = isClient(source) ? source : source.client;
  const hosts = client.options.hosts.map(String).sort().join(",") || client.options.srvHost || "";
  return { where: { shown: "", exact: hosts }, database: databaseOf(source, database).databaseName };
}

function checkName(name: string): void {
  if (name !== "" && name.length <= 200 && !/[$\0]|^system\.|^\.|\.$/.test(name)) return;
  throw new DefinitionError(
    `Cannot use ${
      JSON.stringify(name)
    } as the name of a collection: use 1 to 200 characters without $, a dot at either end, or "system." before it`,
  );
}

/**
 * A promise that fails with the signal's reason as soon as it is aborted. The operation itself may still take effect.
 *
 * @param signal When to stop waiting.
 * @param promise What to wait for.
 * @returns What it gives.
 */
export function abortable<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) abort();
  });
}
