export interface BatchProcessorOptions {
  /**
   * Milliseconds an item waits at most for its batch to fill. With it, `add` waits until its item is processed.
   * Default: an item waits until the batch is full or `flush` is called.
   */
  maxWait?: number
  /** Batches processed at once. Default: `Infinity`. */
  concurrency?: number
}

/**
 * Collects items and processes them in batches.
 *
 * @template T an item
 * @template R the result of an item, if `processFn` returns an array of them
 */
export class BatchProcessor<T, R = unknown> {
  /**
   * @param batchSize Items of a full batch.
   * @param processFn Processes one batch. It may return, or resolve to, an array with a result for each item; an
   * element that is an `Error` is the failure of that item alone.
   * @throws TypeError or RangeError for wrong arguments.
   */
  constructor(
    batchSize: number,
    processFn: (items: T[]) => unknown,
    options?: BatchProcessorOptions,
  )
  /** A write counts from the next batch on. @throws TypeError or RangeError for what is no whole number above 0. */
  batchSize: number
  processFn: (items: T[]) => unknown
  /** How many items wait for their batch to fill. */
  readonly size: number
  /**
   * Without `maxWait`: resolves at once, or, for the item that fills the batch, when the batch is processed; it
   * rejects if that, or one of its items, fails. With `maxWait`: resolves when the item is processed, to its result; rejects with
   * its own error, or with that of its batch.
   */
  add(item: T): Promise<R | undefined>
  /**
   * Processes what waits, and waits for all batches; rejects with the first error of those. That of an item alone counts only
   * without `maxWait`: with it, whoever added the item is told.
   */
  flush(): Promise<void>
}

export interface ObjectPoolOptions {
  /** Idle objects kept; more are let go. Default: 1,000. */
  maxSize?: number
  /** Warns once (`ObjectPoolLeakWarning`) when more objects than that are in use. Default: 10,000. */
  warnAbove?: number
}

/** Objects that are used again instead of made anew. */
export class ObjectPool<T> {
  /**
   * @param createFn Makes an object.
   * @param resetFn Called with each object that is released. If it throws, `release` does, and the object is let go.
   * @throws TypeError or RangeError for wrong arguments.
   */
  constructor(createFn: () => T, resetFn?: (object: T) => void, options?: ObjectPoolOptions)
  createFn: () => T
  resetFn: (object: T) => void
  /** Idle objects. */
  readonly size: number
  /** Objects in use. */
  readonly acquired: number
  /** An idle object, the longest idle first, else a new one. */
  acquire(): T
  /** @throws Error (`ERR_AIWF_ALREADY_RELEASED`) if the object was released already, and not acquired since. */
  release(object: T): void
}

export interface MemoizeOptions<F extends (...args: any[]) => any> {
  /**
   * The key of a call. Default: one object is told by its identity, primitives by type and value; several
   * arguments with an object among them need this option, else a call throws (`ERR_INVALID_ARG_VALUE`). `this` is
   * no part of it: memoize a method for each object.
   */
  key?: (...args: Parameters<F>) => unknown
  /** Milliseconds a result is kept, from when there is one. Default: `Infinity`. */
  ttl?: number
  /** Results kept; the least recently used goes first. Default: 1,000. */
  maxEntries?: number
}

export type Memoized<F extends (...args: any[]) => any> = F & {
  /** Forgets all results. */
  clear(): void
  /** Forgets the result of one call; false if there was none. */
  delete(...args: Parameters<F>): boolean
  /** Results kept. */
  readonly size: number
}

/**
 * Remembers what `fn` returned. A promise is shared by all who ask while it is pending; one that rejects is
 * forgotten. What `fn` throws is not remembered.
 *
 * @throws TypeError or RangeError for wrong arguments.
 */
export function memoize<F extends (...args: any[]) => any>(
  fn: F,
  options?: MemoizeOptions<F>,
): Memoized<F>

/**
 * Loads on first use, once for all who ask. After a failure the next call tries again.
 *
 * @example const parser = lazy(() => import('./parser.js'))
 * @throws TypeError if `load` is no function.
 */
export function lazy<T>(load: () => T | Promise<T>): () => Promise<T>
