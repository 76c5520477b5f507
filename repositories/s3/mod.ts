/**
 * Repositories in buckets of S3, and of stores that speak like it.
 *
 * @module
 */
export {};
