'use strict'

module.exports = {
  ...require('./cache-system.js'),
  ...require('./configuration.js'),
  ...require('./file-batch-processor.js'),
  ...require('./memory-profiler.js'),
  ...require('./monitor.js'),
  ...require('./patterns.js'),
  ...require('./performance-benchmark.js'),
  ...require('./tuning.js'),
}
