'use strict'

const { MemoryProfiler } = require('./memory-profiler/profiler.js')
const { ObjectLeakDetector } = require('./memory-profiler/object-leak-detector.js')
const { MemoryOptimizer } = require('./memory-profiler/optimizer.js')

module.exports = { MemoryProfiler, ObjectLeakDetector, MemoryOptimizer }
