// The studio's page.
import { quietly } from "./page.js";
import { showAnalyses } from "./analyses.js";
import { showRuns } from "./runs.js";

quietly(showAnalyses)();
quietly(showRuns)();
