/**
 * Copying between two repositories: each value is read back and compared by its digest, and what is there already is not copied again.
 *
 * @module
 */
import { isDatataskError, RepositoryError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import type { Repository } from "../../repositories/repository.ts";
import type { Digest } from "../backup/digesting.ts";
import type { Manifest } from "../backup/manifest.ts";
import { type Values, valuesOf } from "./values.ts";

/** What is known of a value that was copied. */
export interface Copied {
  /** Its key. */
  readonly key: Key;
  /** Its digest, in hexadecimal. */
  readonly sha256: string;
  /** Its version where it came from, as far as that is known. */
  readonly from?: string | undefined;
  /** Its version where it went, as far as that is known. */
  readonly to?: string | undefined;
}

/** How values are copied. */
export interface TransferOptions {
  /** Whether other values that are there are replaced. */
  readonly overwrite: boolean;
  /** Whether what is noted as there already is read and compared all the same. */
  readonly verify: boolean;
}

/** A copy of one repository into another. */
export class Transfer {
  readonly #from: Repository;
  readonly #to: Repository;
  readonly #values: Values;
  readonly #options: TransferOptions;
  readonly #known: Manifest<Copied> | undefined;

  /**
   * @param from Where values come from.
   * @param to Where they go: a repository of the same kind.
   * @param options How.
   * @param known What earlier calls have copied, and where to note it.
   */
  constructor(
    from: Repository,
    to: Repository,
    options: TransferOptions,
    known: Manifest<Copied> | undefined,
  ) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#known = known;
    this.#values = valuesOf(from, to);
  }

  /**
   * Sees to it that a value is there.
   *
   * @param key Of which key.
   * @param signal Stops it.
   * @returns How much was copied, in bytes; nothing when it was there, or is gone from where it came.
   * @throws {RepositoryError} When another value is there, or when it does not read back as it was written.
   */
  async one(key: Key, signal: AbortSignal): Promise<number | undefined> {
    const [source, target] = await Promise.all([
      this.#from.info(key, { signal }),
      this.#to.info(key, { signal }),
    ]);
    if (!source) return undefined;
    const known = this.#known?.entries.get(key);
    if (
      !this.#options.verify && target?.version !== undefined && source.version !== undefined &&
      known?.from === source.version &&
      known.to === target.version
    ) return undefined;
    if (target && await this.#isSame(key, signal)) return undefined;
    if (target && !this.#options.overwrite) {
      throw this.#refuse(
        "already-exists",
        key,
        "another value is there; delete it, or call copy with --overwrite",
      );
    }
    const copied = await this.#copy(key, target === undefined, signal);
    if (!copied) return undefined;
    // Before it is read back: what is changed afterwards has another one.
    const version = await this.#versionThere(key, signal);
    const there = await this.#values.digestTo(key, signal);
    if (there.sha256 !== copied.sha256) {
      throw this.#refuse(
        "invalid-value",
        key,
        `it reads back as another value (${there.size} bytes of ${copied.size}); see who else writes it, and copy it again`,
      );
    }
    this.#known?.record({ key, sha256: copied.sha256, from: source.version, to: version });
    return copied.size;
  }

  /** Copies a value. Gives nothing when somebody else was quicker, and has put the same there. */
  async #copy(key: Key, absent: boolean, signal: AbortSignal): Promise<Digest | undefined> {
    const ifAbsent = absent && this.#to.driver.supports.conditional;
    try {
      return await this.#values.copy(key, { signal, ...(ifAbsent ? { ifAbsent } : {}) });
    } catch (error) {
      if (ifAbsent && isDatataskError(error, "already-exists") && await this.#isSame(key, signal)) {
        return undefined;
      }
      throw error;
    }
  }

  async #isSame(key: Key, signal: AbortSignal): Promise<boolean> {
    const from = (await this.#from.info(key, { signal }))?.version;
    const to = await this.#versionThere(key, signal);
    const [here, there] = await Promise.all([
      this.#values.digestFrom(key, signal),
      this.#values.digestTo(key, signal),
    ]);
    if (here.sha256 !== there.sha256) return false;
    this.#known?.record({ key, sha256: here.sha256, from, to });
    return true;
  }

  /** The version of what the target holds, to be noted with what it is. */
  async #versionThere(key: Key, signal: AbortSignal): Promise<string | undefined> {
    return this.#known && (await this.#to.info(key, { signal }))?.version;
  }

  #refuse(code: "already-exists" | "invalid-value", key: Key, what: string): RepositoryError {
    return new RepositoryError(
      code,
      `Cannot copy "${key}" of ${this.#from.name} to ${this.#to.name}: ${what}`,
      { operation: "copy", subject: this.#to.name, key },
    );
  }
}
