import { createApp } from "./edge/app.ts";
import { answerAtGateway, isForGateway } from "./replica/gateway.ts";
import type { ReplicaEnv } from "./replica/replica.ts";

export { Replica } from "./replica/replica.ts";

const app = createApp();

/** The HTTP API, and the way in for replicas that other Workers hold. */
export default {
  fetch: (request, env, context) =>
    isForGateway(request, env) ? answerAtGateway(request, env) : app.fetch(request, env, context),
} satisfies ExportedHandler<ReplicaEnv>;
