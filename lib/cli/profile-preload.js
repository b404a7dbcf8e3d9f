// @ts-check
'use strict'

// Loaded into the profiled process before its own code: profiles its memory until it exits.

const { writeFileSync } = require('node:fs')
const { MemoryProfiler } = require('../memory-profiler.js')
const { isChosen } = require('./program.js')
const { reportPage } = require('../memory-profiler/report-page.js')

const { AIWF_NATIVE_PROFILE: file } = process.env

/** An hour of them. */
const MOST_SAMPLES = 36_000

if (file && isChosen()) {
  const profiler = new MemoryProfiler({
    samplingInterval: 100,
    maxSamples: MOST_SAMPLES,
    silent: true,
    alertCallback() {},
  })
  profiler.startProfiling()
  // A process that exits has no turn left for asynchronous work.
  process.on('exit', () => {
    profiler.takeSample()
    profiler.stopProfiling()
    const page = reportPage(profiler.generateReport(), profiler.samples)
    writeFileSync(file, page, { mode: 0o600 })
  })
}
