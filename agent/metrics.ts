/**
 * What an agent has done, as numbers for Prometheus.
 *
 * @module
 */
import type { Traffic } from "./exchange.ts";

/** What is known at the moment of asking. */
export interface Gauges {
  /** How many attempts are in. */
  readonly admitted: number;
  /** Digests that were remembered, and that had to be computed. */
  readonly digests: { readonly hits: number; readonly misses: number };
}

/** Counts what an agent does. */
export class Metrics {
  /** Bytes that came and went. */
  readonly traffic: Traffic = { up: 0, down: 0, copiedUp: 0, copiedDown: 0 };
  /** How many requests are under way. */
  inFlight = 0;
  readonly #requests = new Map<string, number>();

  /** Counts a request that is over. `route` is one of a few words, never what a client has sent. */
  count(route: string, status: number): void {
    const labels = `{route="${route}",status="${status}"}`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** The numbers as text. */
  text({ admitted, digests }: Gauges): string {
    const { up, down, copiedUp, copiedDown } = this.traffic;
    return [
      ...family("requests_total", "counter", "Requests that are over.", this.#requests),
      ...family("bytes_total", "counter", "Bytes of values that came from and went to workers.", [
        [`{direction="up"}`, up],
        [`{direction="down"}`, down],
      ]),
      ...family(
        "copied_bytes_total",
        "counter",
        "Bytes of values that an executor copied from and to workers.",
        [
          [`{direction="up"}`, copiedUp],
          [`{direction="down"}`, copiedDown],
        ],
      ),
      ...family("requests_in_flight", "gauge", "Requests under way.", [["", this.inFlight]]),
      ...family("attempts_admitted", "gauge", "Attempts that may make requests.", [["", admitted]]),
      ...family("digests_total", "counter", "Digests that were asked for.", [
        [`{from="memory"}`, digests.hits],
        [`{from="value"}`, digests.misses],
      ]),
      "",
    ].join("\n");
  }
}

function* family(
  name: string,
  type: "counter" | "gauge",
  help: string,
  values: Iterable<readonly [labels: string, value: number]>,
): Generator<string, void, void> {
  yield `# HELP datatask_agent_${name} ${help}`;
  yield `# TYPE datatask_agent_${name} ${type}`;
  for (const [labels, value] of values) yield `datatask_agent_${name}${labels} ${value}`;
}
