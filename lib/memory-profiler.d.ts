import type { EventEmitter } from 'node:events'
import type { Anomaly } from './monitor.js'

/** Bytes, as of `process.memoryUsage()`. */
export type MemoryUsage = NodeJS.MemoryUsage

/** The entries of `performance.measure()`. Durations in milliseconds; all 0 without entries. */
export interface MeasureFigures {
  totalMeasures: number
  averageDuration: number
  maxDuration: number
  minDuration: number
}

/** V8's heap of this thread, in bytes. */
export interface HeapFigures {
  totalHeapSize: number
  usedHeapSize: number
  heapSizeLimit: number
}

export interface MemorySample {
  /** Milliseconds since the epoch. */
  timestamp: number
  /** `arrayBuffers` is read ten times a second at most; in between it moves with `external`. */
  memory: MemoryUsage
  performance: MeasureFigures
  gc: HeapFigures
  /** What the native thread read, if it took this sample. */
  process?: ProcessFigures
  /** Milliseconds for which the event loop kept the thread's call waiting, if it took this sample. */
  eventLoopDelay?: number
  /** How odd each metric is, if a running profiler took this sample and has seen enough of the metric. */
  anomalyScores?: AnomalyScores
  /**
   * Set when V8's figures could not be read at that time, since the event loop was blocked or the interval is under
   * 20 ms: `timestamp`, `memory.rss` and `process` are of that time, all else is the last that was known.
   */
  heapStale?: true
}

export type AnomalyMetric = 'heapUsed' | 'heapTotal' | 'external' | 'rss' | 'eventLoopDelay'

/**
 * Standard deviations of each metric from what is expected, with the sign: the robust z-score of
 * `AnomalyDetector` (exponentially weighted averages, from the 31st sample on).
 */
export type AnomalyScores = { [metric in AnomalyMetric]?: number }

/** A sample of the beat that does not fit those before it. */
export interface MemoryAnomaly extends Anomaly {
  metric: AnomalyMetric
  /** Bytes; milliseconds of a delay. */
  value: number
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** What the system says. Absent where it does not say; all but `cpuTime` need Linux. */
export interface ProcessFigures {
  /** Bytes resident that belong to no file. */
  anonymous?: number
  /** Bytes resident of files, and shared memory. */
  file?: number
  /** Milliseconds of all threads since the process started. */
  cpuTime: number
  /** Page faults that needed no disk, since the process started. This and what follows is read once a second. */
  minorFaults?: number
  /** Page faults that needed the disk. */
  majorFaults?: number
  threads?: number
  fileDescriptors?: number
  /** Bytes: the tightest memory limit of the process's control groups. */
  limit?: number
  /** Bytes that count against that limit, without page cache that the kernel takes back first. */
  limitUsed?: number
  /** Bytes resident, shared pages divided by those who share them; see the option `pss`. */
  pss?: number
}

/**
 * Bytes, or a share such as `'80%'`: of V8's limit for `heapUsed` and `heapTotal`, else of the container's limit as it is
 * now, or of the machine's memory where there is none.
 */
export type Threshold = number | `${number}%`

/** Above which an alert is raised. A field of `process.memoryUsage()` may be added. */
export interface MemoryThresholds {
  heapUsed: Threshold
  heapTotal: Threshold
  external: Threshold
  rss: Threshold
  arrayBuffers?: Threshold
}

export interface ThresholdAlert {
  type: 'threshold_exceeded'
  /** The name of the threshold, such as `'heapUsed'`. */
  metric: string
  /** Bytes. */
  value: number
  /** Bytes. */
  threshold: number
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** Trends are growth over the time that was judged, as a share of its start: 0.1 is 10 % more. */
export interface LeakAlert {
  type: 'memory_leak_suspected'
  heapTrend: number
  rssTrend: number
  /**
   * How sure it is: of leak-free simulated hours at most 1 % are suspected, and at most 0.4 % are taken for a leak
   * (`docs/leak-detection.md`). This and what follows is told by a running profiler only.
   */
  level?: 'suspected' | 'leak'
  /** Which memory grows: V8's heap, what JavaScript objects hold outside of it, or what V8 does not account for. */
  memory?: 'heap' | 'external' | 'native'
  bytesPerMinute?: number
  /** 1 - p of the trend test, 0 to 1. */
  confidence?: number
  /** Milliseconds that were judged. */
  window?: number
  /** Milliseconds until V8's or the container's limit is reached at this pace, if there is one. */
  untilLimit?: number
  /** Milliseconds since the epoch. */
  timestamp: number
}

export type MemoryAlert = ThresholdAlert | LeakAlert

export interface MemorySnapshot {
  label: string
  /** Milliseconds since the epoch. */
  timestamp: number
  memory: MemoryUsage
  /** Of the profiler's `objectLeakDetector`. */
  objectCounts: Record<string, number>
  /** If it was asked for. */
  heap?: HeapContents
}

/** A snapshot with the heap. */
export interface HeapSnapshot extends MemorySnapshot {
  heap: HeapContents
}

export interface SnapshotOptions {
  /** Whether V8's heap is written to a file and summed up. Default false. */
  heap?: boolean
  /**
   * The file, which is overwritten and which only this user may read. Default: a new one in `os.tmpdir()`, that
   * `MemoryOptimizer.cleanupTemporaryFiles` removes when it is old, and that goes where this fails. Chrome's developer tools open it.
   */
  path?: string
  /** Writes although memory may run out. Default false. */
  force?: boolean
}

/** What V8's heap holds. Bytes as V8 counts them. */
export interface HeapContents {
  /** The `.heapsnapshot` file. It holds all that the program knows, secrets too. */
  path: string
  objects: number
  references: number
  /** Bytes of all objects. */
  size: number
  /** Those that hold most first. */
  constructors: HeapConstructor[]
}

/** All objects of a constructor; those of V8's own kinds are one each, such as `(string)` or `(closure)`. */
export interface HeapConstructor {
  name: string
  count: number
  /** Bytes of the objects themselves. */
  shallowSize: number
  /**
   * Bytes that would be freed with them, as in the summary view of Chrome's developer tools: objects that another of the same
   * constructor holds are counted once, with that.
   */
  retainedSize: number
}

/** One object on the way from the root of the heap. */
export interface RetainingStep {
  /** How the object before holds it: `.name`, `[4]`, the name of a variable, or in brackets what V8 calls it. */
  by: string
  /** The object's constructor. */
  name: string
  /** V8's number of the object, the same in every snapshot. */
  id: number
}

/** A constructor of which there are more objects, or more bytes. */
export interface HeapGrowth extends HeapConstructor {
  /**
   * What keeps one of the newer objects alive: the shortest way from the root to one that is held as most of them are,
   * through global variables where there is such a way. Of a way longer than 100 steps the middle is left out.
   */
  retainingPath: RetainingStep[]
}

/** The second snapshot minus the first. */
export interface SnapshotComparison {
  /** Milliseconds. */
  timeDiff: number
  /** Bytes. */
  memoryDiff: MemoryUsage
  /** Every type that either snapshot counts. */
  objectDiff: Record<string, number>
  /** If both have a heap: the constructors that grew, by how much, those that hold most more first. */
  heapGrowth?: HeapGrowth[]
}

/** What was measured and is worth doing something about. All but the first three kinds come from a running profiler. */
export interface MemorySuggestion {
  type:
    | 'high_memory_usage'
    | 'memory_leak'
    | 'external_memory'
    | 'memory_limit'
    | 'garbage_collection'
    | 'event_loop_delay'
  /** With its figure, in words. */
  suggestion: string
  priority: 'high' | 'critical' | 'medium'
  /** Bytes, or milliseconds of a delay, or a share of growth or of time. */
  value: number
  /** In the same unit: above it something is worth doing. */
  threshold: number
}

export interface CollectionResult {
  before: MemoryUsage
  after: MemoryUsage
  /** Bytes; negative where more is in use than before. */
  freed: { heapUsed: number; heapTotal: number; external: number; rss: number }
}

export interface Range {
  min: number
  max: number
  avg: number
}

export type CollectionKind = 'minor' | 'major' | 'incremental' | 'weakCallbacks'

export interface CollectionFigures {
  count: number
  /** Milliseconds for which they stopped the program, together. */
  duration: number
  /** Milliseconds. */
  maxDuration: number
}

/** V8's collections since profiling last started, by kind. */
export type CollectionReport = Record<CollectionKind, CollectionFigures> & {
  /** Milliseconds that were profiled. */
  time: number
  /** The share of that time for which collections stopped the program. */
  timeShare: number
}

export interface MemoryReport {
  /** Milliseconds since the epoch. */
  timestamp: number
  current: MemoryUsage
  /** Bytes; see {@link MemoryProfiler.peak}. */
  peak: { rss: number }
  /** Bytes, over the last 100 samples; empty without samples. */
  statistics: { [metric in 'heapUsed' | 'heapTotal' | 'external' | 'rss']?: Range }
  /** The last 10. */
  alerts: MemoryAlert[]
  suggestions: MemorySuggestion[]
  /** The labels. */
  snapshots: string[]
  /** Absent if nothing was profiled. */
  gc?: CollectionReport
  /** Milliseconds, over those of the last 100 samples that a running profiler took; absent if none. */
  eventLoopDelay?: Range
}

/** When growth of a running profiler's process is told. */
export interface LeakDetectionOptions {
  /** Milliseconds whose floors are merged to the lowest. Judged are 20 to 120 of them. Default 30000. */
  bucketInterval?: number
  /** Milliseconds after the start that are not judged. Default 600000. */
  gracePeriod?: number
  /** The least growth in two buckets that is suspected, as a share of what is held. Default 0.002. */
  minGrowth?: number
  /**
   * Forces a collection when V8 has made none for three minutes (`true`) or so many milliseconds. Without, a process that
   * is too idle to collect is not judged. A collection blocks, about a millisecond for each MB in use. Default false.
   */
  probe?: boolean | number
}

/** A falsy value stands for the default. */
export interface MemoryProfilerOptions {
  /** Milliseconds between samples, at least 1. Default 1000. */
  samplingInterval?: number
  /** How many samples, and how many alerts, are kept. Default 1000. */
  maxSamples?: number
  /** Default 100 MiB. */
  heapThreshold?: Threshold
  /** Default 200 MiB. */
  heapTotalThreshold?: Threshold
  /** Default 50 MiB. */
  externalThreshold?: Threshold
  /** Default 500 MiB. */
  rssThreshold?: Threshold
  /**
   * The least milliseconds between two alerts of one metric, or of a leak of the same `level` and `memory`. Default 0: at
   * every sample.
   */
  alertInterval?: number
  /**
   * Above 0, a metric that raised an alert raises the next only after it fell below its threshold by this share of it, and
   * exceeded it again. Default 0. Leaks are told without it.
   */
  alertHysteresis?: number
  leakDetection?: LeakDetectionOptions
  /**
   * Reads the proportional set size (Linux), once a minute. It walks all pages, and the process waits when it maps memory
   * meanwhile; after a walk of more than 5 ms it is not read again. Default false.
   */
  pss?: boolean
  /** Gets the alerts instead of `console.warn`. */
  alertCallback?: (alerts: MemoryAlert[]) => void
  /** Start and stop print nothing. Default false. */
  silent?: boolean
}

export interface StreamOptions {
  /** Ends the loop: it throws the signal's reason. */
  signal?: AbortSignal
  /** How many samples wait for a slow reader; the oldest go first. Default 100. */
  capacity?: number
}

export interface MemoryProfilerEvents {
  /** Each alert, after `triggerAlerts`. */
  alert: [alert: MemoryAlert]
  /** Each sample, before it is judged. */
  sample: [sample: MemorySample]
  /** Each metric of a sample of the beat that is odd; told, and no alert: a heap may jump for good reasons. */
  anomaly: [anomaly: MemoryAnomaly]
  /** Profiling stopped. */
  stop: []
}

/**
 * Samples memory, raises alerts, and suspects leaks. Emits what {@link MemoryProfilerEvents} says.
 *
 * While it profiles, a native thread keeps the beat, also while the event loop is blocked, and does not keep the
 * process alive. It judges leaks by what V8's major collections leave behind, after ten minutes of grace: growth that
 * goes on for some 25 minutes is `suspected`, for half an hour or more a `leak`, both sooner when it is faster; and
 * growth by half within 100 beats that three collections confirm is suspected at once. Without profiling, the samples
 * themselves are judged, from the tenth on: they must rise steadily by 5 %, beyond chance, and above all that was
 * there before. Samples that are taken faster than `samplingInterval` then count as one.
 */
export class MemoryProfiler extends EventEmitter<MemoryProfilerEvents> {
  constructor(options?: MemoryProfilerOptions)
  /** Milliseconds. Writable; takes effect on the next start. */
  samplingInterval: number
  /** Writable; takes effect on the next sample. */
  maxSamples: number
  /** Writable. What is no threshold raises no alert, and is told once on `console.warn`. */
  thresholds: MemoryThresholds
  /** Oldest first. */
  samples: MemorySample[]
  /** Oldest first, at most `maxSamples`. */
  alerts: MemoryAlert[]
  /** By label. */
  snapshots: Map<string, MemorySnapshot>
  objectLeakDetector: ObjectLeakDetector
  /** Writable. */
  alertCallback: ((alerts: MemoryAlert[]) => void) | undefined
  /** Writable. */
  silent: boolean
  readonly profiling: boolean
  /** The most bytes this process ever had resident, as the system counts it. */
  readonly peak: { rss: number }
  /**
   * Starts sampling; does nothing if it has started.
   *
   * @throws an error with the system's `code` when the system refuses a thread or the reading
   */
  startProfiling(): void
  /** Stops sampling; does nothing unless it has started. */
  stopProfiling(): void
  /** Takes a sample now, appends it, and checks thresholds and leaks. Called on each beat too. */
  takeSample(): MemorySample
  /** Raises an alert for each metric above its threshold. Of a stale sample only `rss` is checked. */
  checkThresholds(sample: MemorySample): void
  /** Raises an alert if the kept samples, or the collections while profiling, make a leak suspected. */
  detectMemoryLeaks(sample: MemorySample): void
  /** Told of raised alerts; made to be overridden. Calls `alertCallback`, or else `console.warn`. */
  triggerAlerts(alerts: MemoryAlert[]): void
  /** (last - first) / first; 0 for fewer than two values. */
  calculateTrend(values: ArrayLike<number>): number
  /** Keeps the present state under `label`, in the place of an earlier one. */
  createSnapshot(label: string, options?: SnapshotOptions & { heap?: false }): MemorySnapshot
  /**
   * With the heap: V8 writes it, which stops the program for seconds and may take 20 times the heap beside it; then another
   * thread sums it up. Of a snapshot that follows another one, paths lead to objects that were made since.
   *
   * Rejects with `ERR_AIWF_INSUFFICIENT_MEMORY` (`needed`, `available`) before anything is written, as `fs` does where
   * the file can't be, and with `ERR_AIWF_INVALID_HEAP_SNAPSHOT` (`path`, `offset`) when the file is cut off, as on a full disk.
   */
  createSnapshot(label: string, options: SnapshotOptions & { heap: true }): Promise<HeapSnapshot>
  /** @throws an error with code `ERR_AIWF_SNAPSHOT_NOT_FOUND` and the `label` */
  compareSnapshots(label1: string, label2: string): SnapshotComparison
  getOptimizationSuggestions(): MemorySuggestion[]
  /** A full collection, also without `--expose-gc`. Blocks, about a millisecond for each MB in use. */
  forceGarbageCollection(): CollectionResult
  generateReport(): MemoryReport
  /**
   * Writes the report as JSON, as a whole or not at all, and resolves to the path. Makes the folders above it. Rejects as
   * `fs` does: `EACCES`, `ENOTDIR`, …
   */
  saveReport(filePath: string): Promise<string>
  /** As `saveReport`, as a page of HTML with charts of all samples that are kept; it needs no network. */
  generateHTMLReport(filePath: string): Promise<string>
  /**
   * The present figures in Prometheus' text format 0.0.4. Names, labels and buckets are those of prom-client's default
   * metrics where it has the figure (the event loop's lag is that of the kept samples, collections are those since
   * profiling started); others begin with `aiwf_`.
   */
  prometheus(): string
  /**
   * Every sample from now on, until profiling stops. Profiles meanwhile, if it has not started, and keeps the process
   * alive while it waits.
   */
  stream(options?: StreamOptions): AsyncGenerator<MemorySample, void, void>
  /**
   * Profiles for `duration` milliseconds (default 60000) and resolves to the report. A profiler that had started
   * before goes on.
   */
  monitor(duration?: number): Promise<MemoryReport>
}

/** Counts objects by type, as it is told of them. */
export class ObjectLeakDetector {
  tracking: boolean
  /** By type. */
  objectCounts: Map<string, number>
  /** Clears the counts and begins to count. */
  startTracking(): void
  /** The counts stay. */
  stopTracking(): void
  /** Counts one more or one less, never below 0. Ignored unless tracking. */
  trackObject(type: string, operation?: 'create' | 'destroy'): void
  /**
   * Counts `object` under `type` until it is collected, also after tracking has stopped, and returns it. It does not keep the
   * object alive. Ignored unless tracking. V8 tells of collected objects some time after a collection, so the
   * count is at least that of the live ones.
   */
  track<T extends object>(object: T, type: string): T
  getObjectCounts(): Record<string, number>
  /** The types with more than `threshold` objects (default 1000). */
  findLeakingObjects(threshold?: number): { type: string; count: number }[]
}

export interface FileAdvice {
  recommendation: 'streaming' | 'buffer'
  reason: string
  /** Bytes; only for streaming. */
  chunkSize?: number
}

export interface DataAdvice {
  recommendation: string
  reason: string
}

// biome-ignore lint/complexity/noStaticOnlyClass: users call it so
export class MemoryOptimizer {
  /** Streaming for files above 100 MiB. Rejects as `fs.promises.stat` does. `chunkSize` defaults to 65536. */
  static optimizeForLargeFiles(filePath: string, chunkSize?: number): Promise<FileAdvice>
  /** Advises against arrays above 10,000 elements and objects above 1,000 keys. */
  static optimizeDataStructures(data: unknown): DataAdvice
  /**
   * Removes files that last changed more than an hour ago, and resolves to their paths. Only regular files of this
   * user, directly in the folder. Without a folder it works on `os.tmpdir()`, on names that begin with `aiwf` or
   * `.aiwf`; in a folder that is named, on every name. Rejects when the folder can't be read, and for an empty
   * name.
   */
  static cleanupTemporaryFiles(tmpDir?: string): Promise<string[]>
}
