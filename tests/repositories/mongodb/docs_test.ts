import { runPage } from "../pages.ts";
import { connected, freshDatabase, mongodb, test } from "./servers.ts";

test("the page on MongoDB runs with exactly the permissions that it names", async (stack) => {
  const url = new URL(mongodb.get("MONGODB_URL"));
  url.pathname = `/${freshDatabase(await connected(stack), stack)}`;
  if (!url.searchParams.has("authSource")) url.searchParams.set("authSource", "admin");
  await runPage("mongodb.md", 0, {
    "mongodb://mongo.example:27017/library": url.href,
    "mongo.example:27017": url.host,
  }, /pages: 635.*a whale/);
});
