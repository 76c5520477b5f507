/**
 * How much of a machine a job needs, in the notation of Kubernetes.
 *
 * @module
 */
import { DefinitionError } from "./errors.ts";

/** Amounts by name: `cpu` in cores, `memory` in bytes, and any named resource (`gpu`, a licence) in units. */
export type Quota = Readonly<Record<string, number>>;

/** A quota as written: each amount a number or a Kubernetes quantity such as `"500m"`, `"1.5Gi"`. */
export type QuotaInit = Readonly<Record<string, number | string>>;

const SUFFIX: Record<string, number> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Reads a Kubernetes quantity.
 *
 * Source: the quantity notation of the Kubernetes API (`500m`, `1e3`, `1.5Gi`).
 *
 * @param quantity A number, or text with an optional suffix `n u m k M G T P E` or `Ki Mi Gi Ti Pi Ei`.
 * @param what What it is for, for the error.
 * @returns The amount.
 * @throws {DefinitionError} When it is not a quantity, below zero, or more than any number.
 * @example
 * ```ts
 * import { parseQuantity } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * assert.equal(parseQuantity("500m"), 0.5);
 * assert.equal(parseQuantity("1.5Gi"), 1.5 * 2 ** 30);
 * ```
 */
export function parseQuantity(quantity: number | string, what = "quantity"): number {
  const amount = amountOf(quantity);
  if (Number.isFinite(amount) && amount >= 0) return amount;
  throw new DefinitionError(
    `Cannot read ${what} ${
      typeof quantity === "string" ? JSON.stringify(quantity) : String(quantity)
    }; write a Kubernetes quantity such as 2, "500m" or "1.5Gi"`,
  );
}

/** The number that a quantity is; `NaN` where it is none. */
function amountOf(quantity: number | string): number {
  if (typeof quantity === "number") return quantity;
  const match = typeof quantity === "string" &&
    /^(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|([numkKMGTPE]|[KMGTPE]i))?$/.exec(quantity.trim());
  return match ? Number(match[1]! + (match[2] ?? "")) * SUFFIX[match[3] ?? ""]! : NaN;
}

/**
 * Reads a quota.
 *
 * @param init Amounts by name.
 * @param what What it is for, for the error.
 * @returns The amounts as numbers: cores, bytes, units.
 * @throws {DefinitionError} When an amount is not a quantity.
 */
export function parseQuota(init: QuotaInit, what = "quota"): Quota {
  return Object.fromEntries(
    Object.entries(init).map(([name, q]) => [name, parseQuantity(q, `${what} ${name}`)]),
  );
}

/**
 * Reads a quota of which amounts may be shares of what there is: `"50%"`, or `"max"` for all of it.
 *
 * @param init Amounts by name.
 * @param there What there is.
 * @param whose Whose it is, for errors: `pool local`.
 * @param what What it is for, for errors: `task train`.
 * @returns The amounts as numbers: cores, bytes, units.
 * @throws {DefinitionError} When an amount is neither a quantity nor a share, or a share of something of which there is none, or it is not known how much.
 */
export function parseShares(init: QuotaInit, there: Quota, whose: string, what: string): Quota {
  return Object.fromEntries(
    Object.entries(init).map(([name, amount]) => {
      const share = typeof amount === "string" ? shareOf(amount.trim()) : undefined;
      if (share === undefined) return [name, parseQuantity(amount, `quota of ${what}: ${name}`)];
      if (!(share > 0 && share <= 1)) {
        throw new DefinitionError(
          `Cannot read quota of ${what}: ${name} ${
            JSON.stringify(amount)
          }; write a share above 0% and up to 100%, or "max" for all there is`,
        );
      }
      const all = there[name];
      if (all === undefined) {
        // A pool of this machine knows its memory when it may ask.
        const ask = name === "memory" && "cpu" in there
          ? ", or, for the memory of this machine, run with --allow-sys=systemMemoryInfo"
          : "";
        throw new DefinitionError(
          `Cannot tell how much quota of ${what}: ${name} ${
            JSON.stringify(amount)
          } is: ${whose} has no capacity of ${name}; write an amount, or say how much it has: { capacity: { ${name}: ... } }${ask}`,
        );
      }
      if (all === 0) {
        throw new DefinitionError(
          `Cannot meet quota of ${what}: ${name} ${
            JSON.stringify(amount)
          }: ${whose} has none; leave ${name} out, or say how much it has: { capacity: { ${name}: ... } }`,
        );
      }
      // There are no parts of a byte.
      return [name, name === "memory" ? Math.floor(all * share) : all * share];
    }),
  );
}

/** The share that a text names, from 0 to 1; nothing when it names none. */
function shareOf(text: string): number | undefined {
  if (text === "max") return 1;
  const percent = /^(\d+(?:\.\d*)?|\.\d+)\s*%$/.exec(text);
  return percent ? Number(percent[1]) / 100 : undefined;
}

/** Units of memory, the largest first. */
const UNITS = ["Ei", "Pi", "Ti", "Gi", "Mi", "Ki"] as const;

/**
 * Writes an amount for people.
 *
 * @param name Of what: `cpu`, `memory`.
 * @param amount How much: cores, bytes, units.
 * @returns `2`, `0.5`, and of memory `1.5Gi`.
 */
export function formatAmount(name: string, amount: number): string {
  const unit = name === "memory" ? UNITS.find((each) => amount >= SUFFIX[each]!) : undefined;
  return `${Math.round(amount / SUFFIX[unit ?? ""]! * 100) / 100}${unit ?? ""}`;
}

/** Room for rounding in sums of fractions such as 0.1. */
const EPSILON = 1e-9;

/**
 * Names the first resource of which more is wanted than is there.
 *
 * @param wanted What is wanted.
 * @param free What is there; a resource that is not named there has no limit.
 * @returns The name of the resource, or nothing when all fits.
 */
export function exceeded(wanted: Quota, free: Quota): string | undefined {
  for (const name in wanted) {
    const limit = free[name];
    if (limit !== undefined && wanted[name]! > limit + EPSILON * Math.max(1, limit)) return name;
  }
  return undefined;
}
