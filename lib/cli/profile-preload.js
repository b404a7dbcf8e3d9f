// @ts-check
'use strict'

// Loaded into the profiled process before its own code: profiles its memory until it exits.

const { writeFileSync } = require('node:fs')
const { MemoryProfiler } = require('../memory-profiler.js')
const { isChosen } = require('./program.js')

const { AIWF_NATIVE_PROFILE: file } = process.env

if (file && isChosen()) {
  const profiler = new MemoryProfiler({ samplingInterval: 100, silent: true, alertCallback() {} })
  profiler.startProfiling()
  // A process that exits has no turn left for asynchronous work.
  process.on('exit', () => {
    profiler.takeSample()
    profiler.stopProfiling()
    writeFileSync(file, JSON.stringify(profiler.generateReport()), { mode: 0o600 })
  })
}
