// What the templates need that YAML cannot work out. CommonJS, because the serverless CLI reads it with require().
const { repository } = require('../package.json');

/**
 * Workers of one queue: as many as requests may be under way at Wave, since each needs a slot for nearly all of its time and more of them
 * would only wait; never fewer than two, the least that an event source takes.
 */
const workersFor = (inFlight) => Math.max(2, Number(inFlight) || 2);

/** Background workers carry ten changes at a time: half as many keep those slots busy that live changes do not take. */
const backgroundWorkersFor = (inFlight) => Math.max(2, Math.ceil(workersFor(inFlight) / 2));

/** Where an alarm's reader finds the runbook: on the web when package.json says where the sources live, else in them. */
function runbookAt(sources) {
  const url = typeof sources === 'string' ? sources : sources?.url;
  const path = 'docs/RUNBOOK.md';
  return url ? `${url.replace(/^git\+/, '').replace(/\.git$/, '')}/blob/main/${path}` : path;
}

module.exports = {
  workersFor,
  backgroundWorkersFor,
  runbookAt,
  workers: workersFor(process.env.WAVE_MAX_IN_FLIGHT),
  backgroundWorkers: backgroundWorkersFor(process.env.WAVE_MAX_IN_FLIGHT),
  runbook: runbookAt(repository),
};
