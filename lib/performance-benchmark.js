'use strict'

const { PerformanceBenchmark } = require('./performance-benchmark/benchmark.js')
const { BenchmarkSuites } = require('./performance-benchmark/suites.js')

module.exports = { PerformanceBenchmark, BenchmarkSuites }
