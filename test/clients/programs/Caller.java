// Calls the broker in each way that the JDK knows. Arguments: the listener's port, that with h2c, that with TLS, a file with its CA.
// One line for each call: its name, the status, and the body or what went wrong.

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Authenticator;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Caller {
  static final byte[] BODY = new byte[300_000];
  static final String BASIC = "Basic " + Base64.getEncoder().encodeToString("billing:secret".getBytes(StandardCharsets.UTF_8));
  static final Authenticator ASKED =
      new Authenticator() {
        @Override
        protected PasswordAuthentication getPasswordAuthentication() {
          return new PasswordAuthentication("billing", "secret".toCharArray());
        }
      };

  interface Call {
    String make() throws Exception;
  }

  public static void main(String[] args) throws Exception {
    String plain = "http://127.0.0.1:" + args[0] + "/api/";
    String h2c = "http://127.0.0.1:" + args[1] + "/api/";
    String tls = "https://localhost:" + args[2] + "/api/";
    ofUrlConnection(plain, new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    ofHttpClient("HttpClient", plain);
    ofHttpClient("HttpClient, h2c at the other side", h2c);
    ofProxy(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    HttpClient overTls = HttpClient.newBuilder().sslContext(trusting(args[3])).authenticator(ASKED).build();
    say("HttpClient, TLS", () -> told(overTls.send(get(tls), BodyHandlers.ofString())));
    say("HttpClient, TLS, POST", () -> told(overTls.send(post(tls), BodyHandlers.ofString())));
    // Its threads would keep the program for a while.
    System.exit(0);
  }

  static void ofUrlConnection(String url, InetSocketAddress listener) {
    say("HttpURLConnection, header", () -> told(opened(url, true)));
    say("HttpURLConnection, fixed length", () -> {
      HttpURLConnection connection = opened(url, true);
      connection.setFixedLengthStreamingMode(BODY.length);
      return posted(connection);
    });
    say("HttpURLConnection, chunked", () -> {
      HttpURLConnection connection = opened(url, true);
      connection.setChunkedStreamingMode(4096);
      return posted(connection);
    });
    say("HttpURLConnection, nobody, fixed length", () -> {
      HttpURLConnection connection = opened(url, false);
      connection.setFixedLengthStreamingMode(BODY.length);
      return posted(connection);
    });
    Authenticator.setDefault(ASKED);
    say("HttpURLConnection, asked", () -> told(opened(url, false)));
    say("HttpURLConnection, asked, POST", () -> posted(opened(url, false)));
    Proxy proxy = new Proxy(Proxy.Type.HTTP, listener);
    say("HttpURLConnection, proxy", () -> told((HttpURLConnection) new URL("http://orders.acme.example/v1").openConnection(proxy)));
    Authenticator.setDefault(null);
  }

  static void ofHttpClient(String name, String url) {
    HttpClient client = HttpClient.newBuilder().authenticator(ASKED).build();
    say(name, () -> told(client.send(get(url), BodyHandlers.ofString())));
    say(name + ", POST", () -> told(client.send(post(url), BodyHandlers.ofString())));
    HttpClient fresh = HttpClient.newHttpClient();
    HttpRequest.Builder known = HttpRequest.newBuilder(URI.create(url)).header("Authorization", BASIC);
    say(name + ", first is a POST", () -> told(fresh.send(known.copy().POST(BodyPublishers.ofByteArray(BODY)).build(), BodyHandlers.ofString())));
    say(name + ", Expect", () -> told(fresh.send(known.copy().expectContinue(true).POST(BodyPublishers.ofByteArray(BODY)).build(), BodyHandlers.ofString())));
    say(name + ", of unknown length", () -> {
      HttpRequest.BodyPublisher unknown = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(BODY));
      return told(fresh.send(known.copy().PUT(unknown).build(), BodyHandlers.ofString()));
    });
    say(name + ", HEAD", () -> told(fresh.send(known.copy().method("HEAD", BodyPublishers.noBody()).build(), BodyHandlers.ofString())));
    HttpClient many = HttpClient.newHttpClient();
    say(name + ", 40 at once", () -> {
      List<CompletableFuture<HttpResponse<String>>> calls =
          IntStream.range(0, 40).mapToObj(i -> many.sendAsync(known.copy().GET().build(), BodyHandlers.ofString())).toList();
      long fine = calls.stream().map(CompletableFuture::join).filter(answer -> answer.statusCode() == 200).count();
      return fine + " times 200";
    });
  }

  static void ofProxy(InetSocketAddress listener) {
    HttpClient client = HttpClient.newBuilder().proxy(ProxySelector.of(listener)).authenticator(ASKED).build();
    say("HttpClient, proxy", () -> told(client.send(get("http://orders.acme.example/v1"), BodyHandlers.ofString())));
    say("HttpClient, proxy, POST", () -> told(client.send(post("http://orders.acme.example/v1"), BodyHandlers.ofString())));
  }

  static HttpRequest get(String url) {
    return HttpRequest.newBuilder(URI.create(url)).build();
  }

  static HttpRequest post(String url) {
    return HttpRequest.newBuilder(URI.create(url)).POST(BodyPublishers.ofByteArray(BODY)).build();
  }

  static String told(HttpResponse<String> answer) {
    return answer.statusCode() + " " + answer.body().strip() + " " + answer.version();
  }

  static HttpURLConnection opened(String url, boolean known) throws IOException {
    HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
    if (known) connection.setRequestProperty("Authorization", BASIC);
    return connection;
  }

  static String posted(HttpURLConnection connection) throws IOException {
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    connection.getOutputStream().write(BODY);
    connection.getOutputStream().close();
    return told(connection);
  }

  static String told(HttpURLConnection connection) throws IOException {
    int status = connection.getResponseCode();
    // What streams its body gets none of an answer that asks for credentials.
    if (status == 401) return "401";
    try (InputStream body = connection.getInputStream()) {
      return status + " " + new String(body.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  static SSLContext trusting(String file) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    try (InputStream certificate = Files.newInputStream(Path.of(file))) {
      trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(certificate));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }

  static void say(String name, Call call) {
    String outcome;
    try {
      outcome = call.make();
    } catch (Exception error) {
      outcome = error.toString();
    }
    System.out.println(name + ": " + outcome);
  }
}
