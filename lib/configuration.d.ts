export type Environment = 'development' | 'production'

/** Whole numbers above 0. */
export interface Config {
  /** Entries a cache keeps in memory: `maxEntries` of `GitHubAPICache`. */
  cacheSize: number
  /** Operations of one batch: `batchSize` of `FileBatchProcessor`. */
  batchSize: number
  /** Operations at once: `maxConcurrency` of `FileBatchProcessor`. */
  concurrency: number
}

export interface ConfigOptions {
  /** The folder where the configuration file is looked for. Default: the current one. */
  cwd?: string | URL
  /** The configuration file, relative to `cwd`. Default: `aiwf-native.config.js`, else `aiwf-native.config.json`. */
  file?: string | URL
}

/**
 * The configuration of an environment: development `{ cacheSize: 100, batchSize: 10, concurrency: 2 }`,
 * production `{ cacheSize: 1000, batchSize: 100, concurrency: 10 }`.
 *
 * A file (JSON, or the default export or the exports of a CommonJS or ES module) overrides that: its keys are those of `Config`, and `development` and
 * `production` may hold such keys for one environment. The variables `AIWF_NATIVE_CACHE_SIZE`, `AIWF_NATIVE_BATCH_SIZE` and
 * `AIWF_NATIVE_CONCURRENCY` override the file.
 *
 * @param env Default: `'production'` if `NODE_ENV` is that, else `'development'`.
 * @throws RangeError (`ERR_OUT_OF_RANGE`) for another environment.
 * @throws Error (`ERR_AIWF_INVALID_CONFIG`, with `source` and `key`) for an unknown key, a bad value or a file
 * that cannot be read.
 */
export function loadConfig(env?: Environment, options?: ConfigOptions): Config

/** Read from the environment each time they are asked for; on if the variable is `true`. */
export interface Features {
  /** `ENABLE_BATCH_PROCESSING` */
  readonly enableBatchProcessing: boolean
  /** `ENABLE_MEMORY_PROFILING` */
  readonly enableMemoryProfiling: boolean
}

export const features: Features
