/**
 * What bodies do beside their jobs: promises that nobody waits for and that fail, and calls that end the process.
 *
 * @module
 */
import { describeError } from "../core/errors.ts";
import { printable } from "./ansi.ts";
import { EXIT } from "./fail.ts";

/** Listens until it is disposed of. */
export interface Strays extends Disposable {
  /** How many errors came up that belong to no job. */
  readonly count: number;
}

/**
 * Listens for errors that nobody waits for, and for the end of the process. One careless body must not take down the jobs of all
 * others, nor make a run that was cut short look like one that has ended well.
 *
 * @param say Writes a line to the standard error.
 * @returns What ends the listening.
 */
export function onStrays(say: (text: string) => void): Strays {
  let count = 0;
  const tell = (event: Event, error: unknown): void => {
    event.preventDefault();
    count++;
    say(
      `An error that belongs to no job: ${printable(describeError(error))}${
        placeOf(error)
      }; the run goes on. A body has begun something and not waited for it: add the missing await`,
    );
  };
  const onRejection = (event: PromiseRejectionEvent): void => tell(event, event.reason);
  const onError = (event: ErrorEvent): void => tell(event, event.error);
  const onUnload = (): void => {
    say(
      "The process was ended in the middle of the run, by Deno.exit in a body or in what it calls; run again",
    );
    if (Deno.exitCode === EXIT.ok) Deno.exitCode = EXIT.failed;
  };
  addEventListener("unhandledrejection", onRejection);
  addEventListener("error", onError);
  addEventListener("unload", onUnload);
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]() {
      removeEventListener("unhandledrejection", onRejection);
      removeEventListener("error", onError);
      removeEventListener("unload", onUnload);
    },
  };
}

/** Where an error comes from, as far as its stack tells. */
function placeOf(error: unknown): string {
  const place = error instanceof Error && /(?:file|https?):\/\/\S+?:\d+:\d+/.exec(error.stack ?? "")?.[0];
  return place ? ` (${printable(place)})` : "";
}
