import { EventEmitter } from 'node:events'
import type {
  CacheStats,
  GitHubAPICache,
  OptimizedGitHubClient,
  RateLimiter,
} from './cache-system.js'
import type { FileBatchProcessor } from './file-batch-processor.js'
import type { MemoryProfiler } from './memory-profiler.js'
import type { LoadTestPoint, PerformanceBenchmark } from './performance-benchmark.js'
import type { AutoTuner } from './tuning.js'

/** What a monitor watches. A client brings its cache and its rate limiter. */
export type Source =
  | GitHubAPICache
  | OptimizedGitHubClient
  | RateLimiter
  | FileBatchProcessor
  | MemoryProfiler
  | PerformanceBenchmark
  | AutoTuner

export type SourceType =
  | 'cache'
  | 'rateLimiter'
  | 'fileProcessor'
  | 'memoryProfiler'
  | 'benchmark'
  | 'tuner'

export interface MonitorOptions {
  /** Milliseconds that rates and percentiles cover, at least 60. Default: 60,000. */
  window?: number
  /** Milliseconds between two values of the async iterator. Default: 1,000. */
  interval?: number
  /**
   * Is given each recorded value, `responseTime` too: to its rules (`check`) and its watch for anomalies (`observe`, up to
   * `Number.MAX_SAFE_INTEGER`). What it throws for a `responseTime` becomes a process warning.
   */
  alerts?: AlertSystem
}

export interface LiveMetrics {
  /**
   * Requests that attached caches and clients passed to the network, since they were attached; GET and HEAD only, without
   * the raw files of downloads.
   */
  apiCalls: number
  /** Hits over look-ups of all attached caches and of the responses that attached clients store, 0 to 1. */
  cacheHitRate: number
  /** Bytes of V8's heap in use. */
  memoryUsage: number
  /** Mean milliseconds of those requests in the window, waiting for the rate limiter included; 0 without any. */
  responseTime: number
}

/** The values of a metric in the window, in its unit. */
export interface MetricSummary {
  count: number
  /** Values a second. */
  rate: number
  mean: number
  min: number
  max: number
  /** Percentiles by nearest rank, within 1 % for values from 1e-18 to 1e24; 0 is exact. */
  p50: number
  p95: number
  p99: number
}

export interface LoadTestState {
  /** Counts the load tests of this monitor. */
  id: number
  name: string
  running: boolean
  /** The last second that was told. */
  point: LoadTestPoint | null
}

export interface SourceState {
  type: SourceType
  /** What its `getStats()` says, or the like. */
  stats: any
  /** Of a cache. What is on disk is known to a dashboard, which looks from time to time. */
  tiers?: {
    memory: { entries: number; hits: number }
    disk: { entries?: number; bytes?: number; hits: number }
  }
}

export interface DashboardData {
  /** Milliseconds since the epoch. */
  timestamp: number
  /** Seconds since the process started. */
  uptime: number
  memoryUsage: NodeJS.MemoryUsage
  /** `getStats()` of the cache attached first. */
  cacheStats: CacheStats | null
  /** `getStats()` of the file processor attached first. */
  processingStats: ReturnType<FileBatchProcessor['getStats']> | null
  metrics: LiveMetrics
  /** `responseTime` (milliseconds) and what `record` was given. */
  windows: Record<string, MetricSummary>
  /** All attached objects, in the order they were attached. */
  sources: SourceState[]
  /** The load test of an attached benchmark that was told of last. */
  loadTest: LoadTestState | null
  /** The latest ten load tests. */
  loadTests: LoadTestState[]
  /** The latest ten alerts of `options.alerts`. */
  alerts: Alert[]
}

export interface ServeOptions {
  /** Of 127.0.0.1. Default: 0, any free one. */
  port?: number
  /** Milliseconds between two figures, 100 to 10,000. Default: 1,000. */
  interval?: number
  /** What the page calls the process. Default: the name of its script. */
  title?: string
}

/** A page that shows live what a monitor knows. It keeps neither the process nor the event loop alive. */
export interface DashboardServer extends AsyncDisposable {
  /** The address of the page, with the token that opens it: who knows it can read all that the monitor knows. */
  readonly url: string
  readonly port: number
  /** How many pages are open; eight at most. */
  readonly followers: number
  /** Resolves when every connection has ended; the pages say so. */
  close(): Promise<void>
}

/** The shape of OTLP/JSON. */
export interface OpenTelemetryMetrics {
  resourceMetrics: {
    resource: object
    scopeMetrics: { scope: { name: string; version: string }; metrics: { name: string }[] }[]
  }[]
}

/** What the engines' objects do, live. Iterating it awaits `interval` between two `generateDashboardData()`. */
export class Monitor implements AsyncIterable<DashboardData> {
  /** @throws TypeError or RangeError for wrong options. */
  constructor(options?: MonitorOptions)
  /**
   * Watches an object from now on; twice is once, also for the cache of a client. A cache's `getOrFetch` and a benchmark's `runLoadTest` are wrapped
   * on this object until nobody watches it.
   *
   * @throws TypeError for anything else than an object of an engine.
   */
  attach(source: Source): this
  /** Stops watching; false if it was not watched. */
  detach(source: Source): boolean
  /**
   * Adds a value to a metric of your own.
   *
   * @param value Finite, not below 0.
   * @throws RangeError for another value, and beyond 1,000 names.
   */
  record(metric: string, value: number): void
  /** What is known of a metric's window; `null` if it is empty. */
  summary(metric: string): MetricSummary | null
  readonly metrics: LiveMetrics
  generateDashboardData(): DashboardData
  /**
   * Serves a page on 127.0.0.1 that draws it all live, from native threads: memory and processors go on
   * while the event loop is blocked, and what JavaScript knows joins when it turns.
   *
   * @throws TypeError or RangeError for wrong options, and the system's error, such as `EADDRINUSE`.
   */
  serve(options?: ServeOptions): Promise<DashboardServer>
  /**
   * Prometheus' text format 0.0.4; each name begins with `aiwf_` and stays the same. Of a metric the quantiles are of the
   * window, `NaN` while that is empty; `_sum` and `_count` are of all values there were.
   */
  toPrometheus(): string
  /** As `toPrometheus`: counts and sums are cumulative, the quantiles are of the window. */
  toOpenTelemetry(): OpenTelemetryMetrics
  [Symbol.asyncIterator](): AsyncGenerator<DashboardData, void, unknown>
}

export interface ThresholdExceeded {
  type: 'threshold_exceeded'
  metric: string
  value: number
  threshold: number
}

export interface Anomaly {
  /** `spike`: one value far away. `shift`: the level has moved, by little perhaps. */
  kind: 'spike' | 'shift'
  /** The mean so far. */
  expected: number
  /** Standard deviations from it, with its sign. */
  score: number
}

export interface AnomalyDetected extends Anomaly {
  type: 'anomaly_detected'
  metric: string
  value: number
}

/** `sendAlert` takes any object with a type. */
export type Alert = ThresholdExceeded | AnomalyDetected | { type: string; [key: string]: unknown }

/** When an episode of values above a threshold alerts. */
export interface AlertJudgement {
  /** Share of the threshold by which a value must fall below it to end an episode, 0 to 1. Default: 0. */
  hysteresis?: number
  /**
   * Milliseconds between two alerts, of one episode or of two; `Infinity` for one an episode. Default: 0, every value above
   * alerts.
   */
  repeatAfter?: number
}

export interface AlertRule extends AlertJudgement {
  metric: string
  threshold: number
}

export interface WebhookOptions {
  /**
   * Alerts are posted there as JSON, four at once; 1,000 may wait, those beyond are `undelivered` at once
   * (`ERR_AIWF_WEBHOOK_BUSY`). Redirects are not
   * followed. It has no user and password: `headers` may have an `authorization`.
   */
  url: string
  /** Milliseconds until an alert is given up, whole ones; waiting for others is part of it. Default: 5,000. */
  timeout?: number
  /** `content-type` may be another than `application/json`. */
  headers?: Record<string, string>
}

export interface AlertSystemOptions extends AlertJudgement {
  alertCallback?: (alert: Alert) => void
  /** Default: none, nothing leaves the process. */
  webhook?: WebhookOptions
  /** Alerts kept in `history`. Default: 1,000. */
  maxHistory?: number
}

export interface AlertEvents {
  /** An alert was sent. */
  alert: [alert: Alert]
  /** An episode is over. */
  resolved: [episode: { metric: string; value: number; threshold: number }]
  /** The webhook took an alert. */
  delivered: [alert: Alert]
  /** The webhook did not. */
  undelivered: [alert: Alert, error: Error]
}

/** Alerts for values above their thresholds. */
export class AlertSystem extends EventEmitter<AlertEvents> {
  /** @throws TypeError or RangeError for wrong options. */
  constructor(options?: AlertSystemOptions)
  alertCallback: ((alert: Alert) => void) | undefined
  /** The latest alerts sent, oldest first. */
  readonly history: Alert[]
  /** What `check` applies. A write is checked whole: TypeError or RangeError that names the rule and the key. */
  rules: AlertRule[]
  /**
   * Takes the rules of a JSON file, an array of `AlertRule`, in place of those before.
   *
   * @throws the error of reading it, or Error (`ERR_AIWF_INVALID_RULES`); the rules before then stay.
   */
  loadRules(file: string | URL): Promise<void>
  /**
   * Applies the rules to values by metric. A metric without a value of its own is not judged.
   *
   * @throws the first error there was, such as that of a value that is no number, when all rules are applied.
   */
  check(metrics: Record<string, number>): void
  /** Calls `sendAlert` if an alert is due for this value; returns whether it was. */
  checkThreshold(metric: string, value: number, threshold: number): boolean
  /**
   * Calls `sendAlert` if a value does not fit those of this metric before; returns whether it did. See `AnomalyDetector`.
   *
   * @throws RangeError beyond 1,000 metrics.
   */
  observe(metric: string, value: number): boolean
  /**
   * Keeps the alert, calls `alertCallback`, emits `alert`, and posts to the webhook if there is one. Overridable.
   *
   * @throws TypeError for an alert without a type.
   */
  sendAlert(alert: Alert): void
  /** Raises no alerts of a metric for `duration` milliseconds; 0 ends a silence. */
  silence(metric: string, duration: number): void
}

/**
 * Finds values that do not fit the stream they arrive in, in constant time and memory: a robust z-score over
 * exponentially weighted averages for spikes, a cumulative sum for shifts. The first 30 values, and 30 after each shift,
 * only teach it. Values should depend little on those before.
 */
export class AnomalyDetector {
  /**
   * Judges the next value.
   *
   * @throws TypeError or RangeError for a value that is not a safe number.
   */
  push(value: number): Anomaly | null
  /**
   * Standard deviations of a value from what is expected, with the sign, which teaches nothing; `null` while it learns.
   *
   * @throws as `push`
   */
  score(value: number): number | null
}
