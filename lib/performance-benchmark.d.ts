/// <reference types="node" />

/** How a test is run. Each can be set for a {@link PerformanceBenchmark} and for a single test. */
export interface BenchmarkTestOptions {
  /** Measured calls; 100 by default. 0 runs none. */
  iterations?: number
  /** Calls before those, not measured; 10 by default. 0 runs none. */
  warmupIterations?: number
  /** Calls at once in each iteration; 1 by default. */
  concurrency?: number
  /**
   * Milliseconds an iteration, and each set-up or tear-down, may take; 30,000 by default. An iteration that
   * takes longer counts as an error. A function that blocks cannot be interrupted; it counts once it returns.
   */
  timeout?: number
  /**
   * Milliseconds to measure for, instead of a number of iterations. An iteration then is as many calls as take at
   * least 50 µs, and `duration` and `memory` are the means of its calls: so even calls of a nanosecond are timed
   * truly, but the percentiles are those of such means.
   */
  time?: number
  /**
   * `'steady'` warms up beyond `warmupIterations`, until the medians of five windows of 20 ms in a row lie within
   * 2 %, at most for two seconds or 100 calls; the result's `steadyState` says whether they did. `'fixed'` by default.
   */
  warmup?: 'fixed' | 'steady'
  /**
   * Milliseconds an iteration may take on average. A test that takes longer is `slow` and fails the report. That of a test
   * counts before that of its suite, and that before the benchmark's; `Infinity` is none, which is the default.
   */
  threshold?: number
}

/** How one run is watched and ended. */
export interface BenchmarkRunOptions {
  /** Ends the run between two calls, or amid one that is awaited; its promise rejects with the signal's reason. */
  signal?: AbortSignal
  /**
   * Told when a test starts and ends, and every 50 ms in between, unless a call blocks. If it throws, the run ends
   * and rejects with that error.
   */
  onProgress?: (progress: BenchmarkProgress) => void
}

export interface BenchmarkProgress {
  suite: string
  test: string
  /** Which of the suite's tests runs, from 0. */
  index: number
  /** Tests of the suite. */
  tests: number
  /** Iterations of the test so far. */
  iterations: number
  /** With {@link PerformanceBenchmark.runFile}: which of the runs this is, from 0, of how many. */
  run?: number
  runs?: number
}

export interface BenchmarkFileOptions extends BenchmarkRunOptions {
  /** Processes, one after the other: 1 to 50, by default 1. From 4 on results can be compared beyond chance. */
  runs?: number
}

/** What a measured function is called with. */
export interface BenchmarkContext {
  /** Fires when the call has taken too long, or the run is aborted: nobody waits for the call any more. */
  signal: AbortSignal
}

export interface BenchmarkOptions extends BenchmarkTestOptions {
  /** Profiles memory during {@link PerformanceBenchmark.run}; false by default. */
  memoryProfiling?: boolean
  /** Prints nothing; false by default. */
  silent?: boolean
}

/** Options with their defaults. */
export type BenchmarkSettings = Required<Omit<BenchmarkOptions, 'time' | 'warmup' | 'threshold'>> &
  Pick<BenchmarkOptions, 'time' | 'warmup' | 'threshold'>

export interface BenchmarkHooks {
  /** Runs before. If it fails, so does the test, or every test of the suite. */
  setup?: () => unknown
  /** Runs afterwards, also if something failed. */
  teardown?: () => unknown
}

export interface BenchmarkTest extends BenchmarkTestOptions, BenchmarkHooks {
  name: string
  /**
   * What is measured. If it returns a promise, that is awaited. A finite number `throughput` of its result is
   * recorded, unless `concurrency` is above 1.
   */
  fn: (context: BenchmarkContext) => unknown
}

export interface BenchmarkSuite extends BenchmarkHooks, Pick<BenchmarkTestOptions, 'threshold'> {
  name: string
  tests: BenchmarkTest[]
}

/**
 * What was measured, iteration by iteration; failed iterations only count as errors. Of more than 100,000 it is a
 * uniform sample of that many.
 */
export interface BenchmarkMetrics {
  /** Milliseconds, without what reading the clock takes. */
  duration: number[]
  /**
   * Bytes by which the used heap changed; negative if garbage was collected meanwhile. It is read every 20 µs: of
   * shorter iterations it is the mean of neighbours.
   */
  memory: number[]
  /**
   * What the test itself returned as `throughput`; with `concurrency` above 1 the successful calls a second
   * of each iteration.
   */
  throughput: number[]
  /** Iterations that failed. One with `concurrency` above 1 fails if all of its calls do. */
  errors: number
}

/** The figures of one metric, in its unit. Values that are not finite are left out. */
export interface MetricStatistics {
  min: number
  max: number
  avg: number
  /** The middle value; of an even count the mean of the two in the middle. */
  median: number
  /** Percentiles are nearest-rank. */
  p95: number
  p99: number
  /** Population standard deviation. */
  stddev: number
  /** Median absolute deviation from the median, unscaled. */
  mad: number
  /**
   * 95 % bootstrap confidence interval of the median, by the exact bootstrap distribution of the median
   * (Efron 1982, section 10.3): always the same for the same values.
   */
  ci95: [lower: number, upper: number]
  /** How many values lie beyond Tukey's fences, 1.5 interquartile ranges from the quartiles. */
  outliers: number
}

export interface DurationStatistics extends MetricStatistics {
  /** 1000 / `avg`: iterations a second. Missing if the average is 0. */
  opsPerSecond?: number
}

/** A metric without finite values is missing. */
export interface BenchmarkStatistics {
  duration?: DurationStatistics
  memory?: MetricStatistics
  throughput?: MetricStatistics
  /** Failed iterations among all; 0 if there were none. */
  errorRate: number
}

/** A row of a histogram in text. */
export interface HistogramRow {
  from: number
  to: number
  count: number
  /** Block elements, up to 40 characters for the fullest row. */
  bar: string
}

export interface BenchmarkTestResult {
  name: string
  /** `'failed'` if every iteration failed, or `setup` or `teardown` did. */
  status: 'completed' | 'failed'
  iterations: number
  warmupIterations: number
  metrics: BenchmarkMetrics
  statistics: BenchmarkStatistics
  /** Milliseconds of all iterations together. */
  totalTime: number
  /** Why it failed: the first error's message. */
  error?: string
  /** The one that applies, if any. */
  threshold?: number
  /** With a threshold: whether the average duration is above it. Missing without any duration. */
  slow?: boolean
  /** With `warmup: 'steady'`: whether it was reached. */
  steadyState?: boolean
  /** With `time`: calls of one iteration. */
  callsPerIteration?: number
  /**
   * With `time`: the calls take less than a nanosecond beyond those of an empty function, as V8 found that they do nothing anyone
   * could notice. Then the figures say nothing.
   */
  optimizedAway?: boolean
  /**
   * How many iterations `metrics` has, if not all. `statistics.duration` is of all the same: exact, but percentiles
   * to within 0.1 %, and `mad`, `ci95` and `outliers` by the sample; of several processes the percentiles too.
   */
  sampled?: number
  /** Of several processes, only then: the median of each. `metrics` then has what all of them measured. */
  runs?: Record<BenchmarkMetric, number[]>
}

/** Figures are of the completed tests, and 0 without any. */
export interface BenchmarkSuiteSummary {
  totalTests: number
  passedTests: number
  failedTests: number
  /** Milliseconds a test. */
  averageDuration: number
  /** Milliseconds. */
  totalDuration: number
  /** Bytes by which the used heap changed in an iteration. */
  memoryUsage: { min: number; max: number; avg: number }
}

export interface BenchmarkSuiteResult {
  name: string
  /** Milliseconds since 1970. */
  timestamp: number
  tests: BenchmarkTestResult[]
  summary: BenchmarkSuiteSummary
  /** The memory profiler's report, with `memoryProfiling`. */
  memoryReport?: object
}

export interface LoadTestConfig {
  name: string
  /**
   * A URL (`http:` or `https:`, with the certificates the system trusts) that native threads send requests
   * to, or a function that is called here. Redirects are not followed.
   */
  target?: string | (() => unknown)
  /** Several URLs instead of `target`. */
  targets?: LoadTestTarget[]
  /** Speaks HTTP/2: by ALPN on `https:`, by prior knowledge on `http:`. HTTP/1.1 by default. */
  http2?: boolean
  /**
   * Milliseconds each worker runs, from its own start; with `rate` from the end of the ramp-up. 60,000 by
   * default.
   */
  duration?: number
  /**
   * Requests a second, whoever answers: an open model. By default a worker sends its next request when the
   * last one is answered: a closed model. A request that is due while all workers wait for answers is sent
   * late, and its response time counts from when it was due (coordinated omission corrected); `serviceTime`
   * has the times from when requests were sent. The rate grows evenly over `rampUp`. Only for URLs.
   */
  rate?: number
  /** Workers, each with one connection or one call at a time; 10 by default, 100,000 at most. */
  concurrency?: number
  /** Milliseconds over which workers are added evenly; 5,000 by default. */
  rampUp?: number
  /** The test ends after so many requests. */
  maxRequests?: number
  /** Told of each second as it ends. If it throws, the test ends and rejects with that error. */
  onProgress?: (point: LoadTestPoint) => void
  /** Milliseconds a request may take, and a connection to open; 30,000 by default. Noticed up to 50 ms late. */
  timeout?: number
  /** Ends the test; its promise rejects with the signal's reason. */
  signal?: AbortSignal
  /** `'GET'` by default. */
  method?: string
  /** Of requests to a URL. `Content-Length` and `Transfer-Encoding` are set by the engine. */
  headers?: ConstructorParameters<typeof Headers>[0]
  /** Of requests to a URL. */
  body?: string | NodeJS.ArrayBufferView
  /** Statuses that are a success; by default all below 400. */
  expectedStatus?: number | number[]
}

/** One of several URLs. What it leaves out is taken from the test. */
export interface LoadTestTarget
  extends Pick<LoadTestConfig, 'method' | 'headers' | 'body' | 'expectedStatus'> {
  url: string
  /** Its share among the weights of all targets; 1 by default. Each worker deals its requests out exactly so. */
  weight?: number
}

/** Milliseconds; all 0 without requests. */
export interface LoadTestDistribution {
  min: number
  max: number
  average: number
  p50: number
  p90: number
  p95: number
  p99: number
  p999: number
  /** Requests at or below each limit and above the one before; the limits grow by a tenth. */
  histogram: { upTo: number; count: number }[]
}

/** Times are milliseconds. Response times are of successful requests and without the time to connect. */
export interface LoadTestMetrics {
  totalRequests: number
  successfulRequests: number
  failedRequests: number
  averageResponseTime: number
  responseTimePercentiles: { p50: number; p95: number; p99: number }
  /** Successful requests a second. */
  throughput: number
  /** Failed requests among all; 0 without any. */
  errorRate: number
  /** Failed requests by kind. */
  errors: {
    /** No connection. */
    connect: number
    /** The connection ended before the response did. */
    reset: number
    /** No whole response in time. */
    timeout: number
    /** A status that was not expected. */
    status: number
    /** The answer is not of the protocol. */
    protocol: number
    /** The target function threw or its promise was rejected. */
    rejected: number
  }
  /** Connections that were opened. */
  connections: number
  /** Of all requests, and of all responses (with HTTP/2 of their bodies). */
  bytes: { sent: number; received: number }
  /** Of successful requests, from when they were due; without `rate` that is when they were sent. */
  responseTime: LoadTestDistribution
  /** Of successful requests, from when they were sent. */
  serviceTime: LoadTestDistribution
  /** With `rate`: how many requests were due. Beyond `totalRequests`, the workers were too few or the target too slow. */
  scheduledRequests?: number
}

/** A second of a load test; the last one may be shorter. */
export interface LoadTestPoint {
  /** Milliseconds from the start of the test to the end of the interval. */
  time: number
  requests: number
  errors: number
  /** Successful requests a second. */
  throughput: number
  /** Milliseconds. */
  p50: number
  p99: number
  activeWorkers: number
  /** Bytes of responses. */
  bytesReceived: number
}

export interface LoadTestResult {
  name: string
  /** The settings of the test with their defaults, without what may hold secrets: headers, body, passwords in URLs. */
  config: Omit<LoadTestConfig, 'signal' | 'headers' | 'body' | 'onProgress'>
  /** Milliseconds since 1970. */
  timestamp: number
  metrics: LoadTestMetrics
  timeline: LoadTestPoint[]
  /** Milliseconds the test took. */
  duration: number
}

/** What {@link PerformanceBenchmark.detectPerformanceRegression} reads of a test's result. */
export interface ComparableTest {
  name?: string
  statistics?: Partial<Record<BenchmarkMetric, { avg: number; median?: number }>>
  /** A value a run: at most 50. */
  runs?: Partial<Record<BenchmarkMetric, number[]>>
}

/** The result of a test, or of a suite. */
export type ComparableResult = ComparableTest | { tests: ComparableTest[] }

export type BenchmarkMetric = 'duration' | 'memory' | 'throughput'

export interface PerformanceRegression {
  /** Whether there are issues. */
  detected: boolean
  /** Metrics that got worse beyond their threshold; `test` in suites. */
  issues: { test?: string; metric: BenchmarkMetric; change: number; threshold: number }[]
  /** Metrics that got better by more than their threshold. */
  improvements: { test?: string; metric: BenchmarkMetric; change: number }[]
  /** Tests of a suite that had no counterpart, or no metric in common with it; missing without any. */
  uncompared?: string[]
  /** Of each metric that both sides have several `runs` of; missing without any. */
  comparisons?: RunsComparison[]
}

/** One metric in several runs of each side. */
export interface RunsComparison {
  test?: string
  metric: BenchmarkMetric
  /**
   * `'regressed'` and `'improved'`: beyond the threshold, and by the exact Mann–Whitney test (two-sided, ties
   * included) beyond chance, p < 0.05. `'inconclusive'`: beyond the threshold, but that may be chance, or a side has
   * fewer than 4 runs. Of memory, less than 1 KiB an iteration is always `'unchanged'`.
   */
  outcome: 'regressed' | 'improved' | 'inconclusive' | 'unchanged'
  /** The Hodges–Lehmann shift relative to the median of the baseline. */
  change: number
  threshold: number
  /** At least 95 % confidence for `change`. This and the rest are missing with fewer than 4 runs of a side. */
  interval?: [lower: number, upper: number]
  pValue?: number
  /** Of all pairs of runs the share in which the current one is larger, less that in which it is smaller. */
  cliffsDelta?: number
  /** The Hodges–Lehmann shift in the unit of the metric. */
  shift?: number
  /** Runs of the current and the baseline side. */
  runs: number[]
}

/** What decides how fast things run, as far as a program can tell. */
export interface BenchmarkMachine {
  platform: NodeJS.Platform
  arch: string
  cpu: string
  cores: number
  /** Bytes. */
  memory: number
  node: string
  v8: string
}

/** Results of one time: the completed tests of each suite. */
export interface BaselineEntry {
  /** Milliseconds since 1970. */
  timestamp: number
  machine: BenchmarkMachine
  suites: { name: string; tests: (ComparableTest & { name: string })[] }[]
}

/** A baseline file: the newest entry is last. */
export interface BenchmarkBaseline {
  version: 1
  entries: BaselineEntry[]
}

export interface SaveBaselineOptions {
  /** Entries the file keeps, 200 by default; the oldest go first. */
  keep?: number
}

export interface BaselineComparison {
  /** Whether any suite has issues. */
  detected: boolean
  /** Whether a test had nothing to compare with, or a change may be chance. */
  inconclusive: boolean
  suites: (PerformanceRegression & { suite: string })[]
  /** What is different from the machines of the entries compared with; then the comparison says little. */
  machineDifferences: (keyof BenchmarkMachine)[]
  changePoints: BenchmarkChangePoint[]
}

/**
 * Since when the medians of a test are not what they were, by E-divisive means (Matteson and James 2014). Looked for
 * where at least 20 entries of this machine, the current one included, have the metric.
 */
export interface BenchmarkChangePoint {
  suite: string
  test: string
  metric: BenchmarkMetric
  /** Of the first entry that is different. */
  timestamp: number
  /** Entries from that one on. */
  runsSince: number
  /** The medians of the stretches before and after. */
  before: number
  after: number
  /** Relative; missing if `before` is not above 0. */
  change?: number
  pValue: number
}

/** Its JSON is described by `aiwf-native/benchmark-report.schema.json`. */
export interface BenchmarkReport {
  /** Changes when a reader of older reports would not understand newer ones. */
  schemaVersion: 1
  timestamp: number
  /** `'failed'` if a test failed or is slow, or the comparison detected a regression. */
  summary: { totalSuites: number; totalTests: number; overallStatus: 'passed' | 'failed' }
  suites: BenchmarkSuiteResult[]
  loadTests: LoadTestResult[]
  /** That of the last `compareToBaseline`. */
  comparison?: BaselineComparison
  configuration: BenchmarkSettings
  systemInfo: {
    nodeVersion: string
    platform: NodeJS.Platform
    arch: string
    memory: NodeJS.MemoryUsage
    machine: BenchmarkMachine
  }
}

/** What a benchmark needs of a memory profiler. */
export interface BenchmarkMemoryProfiler {
  startProfiling(): void
  stopProfiling(): void
  generateReport(): object
}

/** Runs suites of tests and load tests, compares results and writes reports. */
export class PerformanceBenchmark {
  constructor(options?: BenchmarkOptions)
  /** Writable; what is written is checked by the next run. */
  options: BenchmarkSettings
  /** Of all suites that were run, in order. */
  results: BenchmarkSuiteResult[]
  /** Made when it is first read. */
  memoryProfiler: BenchmarkMemoryProfiler
  /** The last result of each suite, by name. */
  benchmarkHistory: Map<string, BenchmarkSuiteResult>
  /** Runs the tests one after the other. A failing test never stops the suite. */
  run(suite: BenchmarkSuite, options?: BenchmarkRunOptions): Promise<BenchmarkSuiteResult>
  /**
   * Runs the suites that a module exports, as its default or by name, each run in a process of its own. What they print
   * goes to standard error; they have no `process.send`. Rejects with `ERR_AIWF_NO_SUITE` if the module has none, with `ERR_AIWF_BENCHMARK_PROCESS`
   * if a process ends early, with `ERR_AIWF_RUNS_DIFFER` if two runs have not the same tests, and with what the module throws.
   */
  runFile(file: string, options?: BenchmarkFileOptions): Promise<BenchmarkSuiteResult[]>
  calculateStatistics(metrics: BenchmarkMetrics): BenchmarkStatistics
  /** Values that are not finite are left out; 0 of nothing. They need not be sorted. */
  calculateMedian(sorted: ArrayLike<number>): number
  /**
   * Nearest-rank. Values that are not finite are left out; 0 of nothing. They need not be sorted.
   *
   * @param percentile 0 to 100
   */
  calculatePercentile(sorted: ArrayLike<number>, percentile: number): number
  /** Population standard deviation. Values that are not finite are left out; 0 of nothing. */
  calculateStandardDeviation(values: ArrayLike<number>): number
  /**
   * How values are spread, as rows to print: equal steps up to the 99th percentile, and one row for what lies beyond.
   * Values that are not finite are left out.
   *
   * @param rows without the last one; 10 by default
   */
  histogram(values: ArrayLike<number>, rows?: number): HistogramRow[]
  /**
   * Puts load on a target, as much as it takes. Whatever the target does is counted; the promise rejects only
   * for wrong arguments, an aborted signal, or if the system refuses threads.
   *
   * Requests and calls in flight when a worker's time is up get one more second; then they count as timed
   * out. The test takes at most `duration` + `rampUp` and that second.
   */
  runLoadTest(config: LoadTestConfig): Promise<LoadTestResult>
  /** Of all load tests that ended, in order. */
  loadTests: LoadTestResult[]
  /** The last one. */
  comparison: BaselineComparison | undefined
  /**
   * Adds the last result of each test, with what the machine is, to a file, whole or not at all; resolves to its path.
   * Fails as `node:fs` does, and with `ERR_AIWF_INVALID_BASELINE` if there is another file.
   */
  saveBaseline(path: string, options?: SaveBaselineOptions): Promise<string>
  /** Fails as `node:fs` does, and with `ERR_AIWF_INVALID_BASELINE`. */
  loadBaseline(path: string): Promise<BenchmarkBaseline>
  /**
   * Compares the last result of each test with the newest entry of a baseline, or of its file, that has the test, as
   * {@link detectPerformanceRegression} does; only that less than 1 KiB an iteration is no change of memory. Suites of one
   * name are one. Fails as {@link loadBaseline} does.
   */
  compareToBaseline(baseline: string | BenchmarkBaseline): Promise<BaselineComparison>
  /**
   * Compares each metric by `runs` where both sides have several: see {@link RunsComparison}. Else it compares averages.
   * Thresholds of the relative change: duration +0.2, memory +0.3, throughput -0.1. A metric is compared if both sides have it and the baseline's average is above 0: there is no relative
   * change to anything else. The tests of suites are matched by name.
   */
  detectPerformanceRegression(
    current: ComparableResult,
    baseline: ComparableResult,
  ): PerformanceRegression
  generateReport(): BenchmarkReport
  /** Writes the report as JSON, whole or not at all, makes the folders above it, and resolves to the path. Fails as `node:fs` does. */
  saveReport(path: string): Promise<string>
  /** Writes the report as one page of HTML that needs nothing else; resolves to the path. */
  generateHTMLReport(path: string): Promise<string>
  /** Writes the report for a pull request; resolves to the path. */
  generateMarkdownReport(path: string): Promise<string>
  /** Writes the report as JUnit XML for CI servers: tests that failed, regressed or are slow are failures. */
  generateJUnitReport(path: string): Promise<string>
}

/** Ready-made suites. They clean up after themselves and use the system's temporary folder. */
// biome-ignore lint/complexity/noStaticOnlyClass: the name and form callers know
export class BenchmarkSuites {
  /** `File Read Performance`, `File Write Performance` */
  static fileOperations(): BenchmarkSuite
  /** `Array Creation`, `Object Creation` */
  static memoryOperations(): BenchmarkSuite
  /** `Cache Hit Performance` */
  static githubAPICache(): BenchmarkSuite
}
