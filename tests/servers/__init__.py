"""Real RabbitMQ and Elasticsearch nodes for tests, without Docker.

Each node is one's own: free loopback ports, a temporary folder, settings, cookie and process
group of its own. Nothing touches a broker that the machine runs, and nothing outlives the tests,
not even tests that are killed.

    from tests.servers.rabbitmq import RabbitMQ
    from tests.servers.elasticsearch import Elasticsearch

    with RabbitMQ() as broker, Elasticsearch("8.19.4") as search:   # 6 s and 10 s
        print(broker.url)       # amqp://guest:guest@127.0.0.1:PORT/
        print(search.url)       # http://127.0.0.1:PORT
        broker.kill()           # SIGKILL; ports and data stay
        broker.restart()        # stop if running, then start; returns when ready
        broker.pause()          # SIGSTOP: connections stay open, nothing answers
        broker.resume()
        broker.list_queues()    # {"words": (ready, unacked)}
        search.request("GET", "/words/_count")
        search.count("words")   # refreshed first

Everything is synchronous; in async tests call it through `asyncio.to_thread`.

Both: `url, port, name, folder, process.log`, and `start, stop, kill, pause, resume, restart,
close`. `close` deletes the folder. A node that does not start raises `ServerError` with the end
of its log; one that cannot be had raises `ServerMissing` with the way to get it.

`RabbitMQ(port=, tls=, consumer_timeout=, channel_tick_interval=, settings=)`:
`amqps_url, ca_file, url_for(vhost, user, password), ctl(*arguments), list_queues(vhost),
close_connections(reason), add_vhost(name) -> url, add_user(name, password, vhost, permissions)
-> url, set_memory_watermark(fraction)` (0 blocks every publisher).

`Elasticsearch(version, port=, security=, settings=, java_options=)`: `request(method, path, body,
credentials=)`, `count(index)`, and with `security=True` `user, password, add_role(name, cluster=,
indices=), add_user(name, password, roles)`.

In tests, take the fixtures of `tests.servers.fixtures`:

    rabbitmq, elasticsearch, elasticsearch8    one node for the whole session: break nothing,
                                               use queues, vhosts and indices of your own name
    own_rabbitmq, own_elasticsearch            a node for this test alone: break what you like
    make_rabbitmq, make_elasticsearch          start nodes for this test: make_rabbitmq(tls=True)
    make_prometheus                            start one that scrapes: make_prometheus("127.0.0.1:9600")

A test that takes one of them is marked `servers`. Where the server cannot be had it is skipped,
and the summary says how to get it; with `ACKFLOW_REQUIRE_SERVERS=1` it fails instead.

On the command line, `python -m tests.servers up | down | run -- COMMAND`.
"""
